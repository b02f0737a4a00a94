// Everything that the limits page says about its experiments: each function is given facts and returns whole sentences.
import { capital, duration, list } from "./format.js";

const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const count = number => NUMBERS[number] ?? String(number);
const many = (number, one, more) => `${count(number)} ${number === 1 ? one : more}`;
const streams = number => many(number, "EventSource", "EventSources");

/** What a row is called: by its transport, and its number among those. */
export const label = (transport, number) => ({
  sse: `EventSource ${number}`,
  websocket: `WebSocket ${number}`,
  short_poll: "fetch",
  long_poll: `Request ${number}`,
})[transport];
const name = row => (row.transport === "short_poll" ? "the fetch" : row.label);
const names = rows => list(rows.map(name));

// Buttons, options and the page's own state

export const BUTTONS = {
  "run-six": () => "Open seven",
  "run-sockets": () => "Open ten",
  "run-hidden": ({ away }) => `Hide this tab for ${away} s`,
  "record-hidden": () => "Record while I switch tabs",
  "run-equal": () => "Send both",
  "close-one": () => "Close one",
};
export const END = { six: "Close all", sockets: "Close all", hidden: "Stop", equal: "Stop" };
export const OPTIONS = { six: "open six EventSources and a fetch first", publish: "publish a message after 2 s" };
export const NOTHING_TO_CLOSE = "Nothing is waiting right now.";

export const RUNS_ALREADY = "This experiment is running.";
export const ANOTHER_RUNS = "Another experiment is running. One at a time, or they would disturb each other.";
export const NO_SERVER_YET = "The server can’t be reached yet.";
export const connecting = why => (why ? `Connecting to the server: ${why}` : "Connecting to the server.");
export const serverLost = back => (back
  ? "The connection to the server was lost, so this says nothing about the browser. It is back: try again."
  : "The connection to the server was lost, so this says nothing about the browser.");

/** How a run ended that did not come to its own end; `verdict` is what is said of it all the same. */
export const stopped = (why, verdict) => ({
  you: `You stopped it. ${verdict}`,
  limit: `It took too long and was stopped. ${verdict}`,
  page: `It was stopped. ${verdict}`,
})[why] ?? verdict;

// The picture

export const COLUMNS = { what: "What", time: "Time", browser: "Browser says", server: "Reached the server" };
export const REACHED = "reached the server: "; // in front of what the column says, where there is no column
export const LEGEND = { waiting: "held back in the browser", sent: "sent: holds a connection", hidden: "this tab was hidden" };
export const MARKS = { closed: "an EventSource is closed", streams_closed: "the EventSources are closed", published: "a message is published" };
export const GROUPS = { plain: "fetch(url)", no_store: 'fetch(url, { cache: "no-store" })' };
export const CAPTIONS = {
  six: "Seven EventSources and a fetch: what the browser says, and when each reached the server",
  sockets: "Ten WebSockets, with six EventSources and a fetch: what the browser says, and when each reached the server",
  equal: "Two identical long polls, plain and with no-store: when each had its response, and when it reached the server",
};
export const BROWSER = {
  planned: () => "not yet",
  failed: () => "failed",
  responded: ms => `response after ${duration(ms)}`,
  open: ms => `open after ${duration(ms)}`,
  opened: ms => `opened after ${duration(ms)}`,
  waiting: ms => `waiting ${(Math.floor(ms / 100) / 10).toFixed(1)} s`,
  cancelled: ms => `cancelled after ${duration(ms)}`,
};
export const SERVER = {
  planned: () => "",
  at_once: () => "at once",
  reached: ms => `after ${duration(ms)}`,
  not_yet: () => "not yet",
  never: () => "never",
  unknown: () => "unknown",
};

export const LANES = {
  ticks: ["Timer ticks", "every 100 ms, if it could"],
  arrivals: ["Messages arrive", "over SSE"],
  published: ["Server publishes", "about 5 per second, at random"],
};
export const lane = (title, times) => `${title}: ${times} times`;

// What is happening

export const openingSeven = () => "Opening seven EventSources one after the other, then a fetch.";
export const waiting = rows => (rows.length > 1
  ? `${capital(names(rows))} are waiting, and have not reached the server. Close one of the open streams, or wait until one closes by itself.`
  : `${capital(names(rows))} is waiting, and has not reached the server. Close one of the open streams, or wait until one closes by itself.`);
export const takingConnections = () => "First, six EventSources take all the HTTP/1.1 connections, and a fetch waits for one.";
export const openingTen = () => "Opening ten WebSockets, all at once.";
export const nowOpen = connections => `${connections} connections are open. They close in a moment.`;
export const recording = () => "Recording. Switch to another tab, stay there for as long as you like, and come back.";
export const recordingAway = away_s => `Recording while another tab is in front for ${away_s} s.`;
export const noTab = () => "Recording, but the browser did not let this page open another tab. Switch to another tab yourself, and come back.";
export const welcomeBack = () => "Welcome back. Recording three more seconds, to compare.";
export const sending = ({ group, hold_s, publish }) => ({
  plain: publish
    ? `Two identical requests, plain. The server holds each for up to ${hold_s} s and publishes a message after 2 s.`
    : `Two identical requests, plain. The server holds each for up to ${hold_s} s; nothing is published.`,
  no_store: publish
    ? `Two identical requests with no-store. The server holds each for up to ${hold_s} s and publishes a message after 2 s.`
    : `Two identical requests with no-store. The server holds each for up to ${hold_s} s; nothing is published.`,
})[group];
export const PUBLISHED = "the message that both requests wait for";

// What was seen

export const CONNECTION_FAILED = "A connection failed, so this says nothing about limits. Try again.";

const because = protocol => (/^h[23]/.test(protocol)
  ? `This page came over HTTP/${protocol[1]}, where one connection carries everything.`
  : "This browser allows more than the usual six connections per host.");

export const six = {
  failed: () => CONNECTION_FAILED,
  early: ({ open }) => `${capital(streams(open))} had opened so far. That is too early to show a limit: let it run.`,
  none: ({ open, protocol }) => `All ${streams(open)} opened, and the fetch got its response: no limit here. ${because(protocol)}`,
  slow: ({ reached }) => `${capital(names(reached))} reached the server, which did not respond: the server was slow, and this shows no limit.`,
  /** `kept`: rows that waited, with `waited_ms`, and how each was freed: `after_ms` after the row `closed`, or not at all. */
  limit({ open, kept, sees }) {
    const sent = kept.filter(({ closed }) => closed), never = kept.filter(({ closed }) => !closed);
    return [
      `${capital(streams(open))} ${open === 1 ? "was" : "were"} open at the same time.`,
      `${capital(list(kept.map(({ row, waited_ms }) => `${name(row)} waited ${duration(waited_ms)}`)))}.`,
      sees ? (kept.length > 1 ? "All that time, they had not reached the server." : "All that time, it had not reached the server.") : "What reached the server is unknown: this page was too busy to be told.",
      ...(sent.length ? [`${capital(list(sent.map(({ row, after_ms, closed }) => `${name(row)} was sent ${duration(after_ms)} after ${name(closed)} was closed`)))}.`] : []),
      ...(sees && never.length ? [`${capital(names(never.map(({ row }) => row)))} ${never.length > 1 ? "were" : "was"} never sent.`] : []),
      ...(open < 6 ? ["Six is the usual number: other tabs of this site may hold the rest."] : []),
    ].join(" ");
  },
};

export const sockets = {
  failed: () => CONNECTION_FAILED,
  not_yet: () => "No WebSocket had been opened yet.",
  few: ({ open, asked, after_ms }) => `${capital(count(open))} of ${count(asked)} WebSockets had opened after ${duration(after_ms)}: that shows nothing about a limit.`,
  alone: ({ open, last_ms }) => `All ${count(open)} WebSockets were open at the same time, the last after ${duration(last_ms)}. No HTTP connection was in the way: open the six EventSources first, and compare.`,
  apart: ({ open, last_ms, held, waited_ms }) => `All ${count(open)} WebSockets were open at the same time, the last after ${duration(last_ms)}. Meanwhile ${streams(held)} held all HTTP/1.1 connections, and the fetch waited ${duration(waited_ms)}: WebSockets are counted separately.`,
  unclear: ({ open, last_ms, held, protocol }) => `All ${count(open)} WebSockets were open at the same time, the last after ${duration(last_ms)}. But the fetch did not have to wait either, with ${streams(held)} open: this does not show a separate limit. ${because(protocol)}`,
};

export const hidden = {
  failed: () => "The stream was lost, so this says nothing about timers. Try again.",
  never: () => "This tab was never hidden, so nothing slowed down. Switch to another tab while it records.",
  short: ({ hidden_ms }) => `This tab was hidden for only ${duration(hidden_ms)}: too short to show anything.`,
  seen: ({ hidden_ms, ticks, due, slept_ms, published, arrived, slowest_ms }) => [
    ticks >= 0.8 * due ? `Hidden for ${(hidden_ms / 1000).toFixed(1)} s: the timer ticked ${ticks} times of ${due}, so this browser did not slow it down in that time.`
      : slept_ms > 30_000 ? `Hidden for ${(hidden_ms / 1000).toFixed(1)} s: the timer ticked ${ticks} times instead of ${due}, and slept for up to ${duration(slept_ms)}.`
      : `Hidden for ${(hidden_ms / 1000).toFixed(1)} s: the timer ticked ${ticks} times instead of ${due}.`,
    !published ? "No message was published in that time."
      : arrived === published ? `SSE delivered ${arrived} of ${published} messages, the slowest after ${duration(slowest_ms)}.`
      : `SSE delivered only ${arrived} of ${published} messages: the browser slowed the network down too.`,
  ].join(" "),
};

export const equal = {
  failed: () => "A request failed, so this says nothing about limits. Try again.",
  unseen: () => "This page was too busy to be told everything that reached the server. Try again.",
  early: () => "Nothing had been sent yet.",
  seen: ({ pairs }) => [
    ...pairs.map(pair => ({ plain: `Plain: ${PAIRS[pair.kind](pair)}`, no_store: `With no-store: ${PAIRS[pair.kind](pair)}` })[pair.group]),
    ...(CONCLUSIONS[pairs.map(({ kind }) => kind).join()] ?? []),
  ].join(" "),
};
const responses = responses_ms => (responses_ms
  ? `The responses came after ${responses_ms.map(duration).join(" and ")}.`
  : "Not both requests got a response.");
const PAIRS = {
  queued: ({ gap_ms, late, responses_ms }) => (late
    ? `the second request was sent only when the first had its response, ${duration(gap_ms)} later, and found the message already there. ${responses(responses_ms)}`
    : `the second request was sent only when the first had its response, ${duration(gap_ms)} later. ${responses(responses_ms)}`),
  together: ({ responses_ms }) => `both requests reached the server at once. ${responses(responses_ms)}`,
  late: ({ gap_ms, responses_ms }) => `the second request was sent ${duration(gap_ms)} after the first, while that was still held. ${responses(responses_ms)}`,
  shared: ({ responses_ms }) => `only one request reached the server, and the browser used its response for both. ${responses(responses_ms)}`,
  ended: () => "stopped before the second request was sent.",
};
const CONCLUSIONS = {
  "queued,together": ["The cache locks the URL, and no-store in the request avoids the lock."],
  "together,together": ["This browser sends both at once anyway; others may not."],
  "queued,queued": ["Here even no-store does not help; different URLs would."],
};

// The tab in front

export const left = left_s => `${left_s} s`;
export const backIn = left_s => `Back in ${left_s} s`;
export const CANT_CLOSE = "The browser doesn’t let this tab close itself: close it, or switch back to the other tab.";
