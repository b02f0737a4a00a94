// The race in a few sentences. Which words are chosen is decided by the numbers alone.
import { capital, count, duration, list, size } from "./format.js";

const ENOUGH = 5; // messages on each transport
const TIE = 1.1; // as fast as: within 10 %, or
const TIE_MS = 5; // so little that it is the browser's doing, not the transport's

/**
 * `lanes`: { title, aside, median_ms, received, waiting, missed, perMessage (bytes), setup (bytes), requests, empty } of each
 * transport, counted over `over_s` and `published` messages; medians are of the last `kept` at most. `aside` follows
 * the name of a slower one, such as "pause 2 s". Returns the text.
 */
export function verdict({ over_s, published, kept, lanes }) {
  if (!published) return "No message has been published since the counters were reset.";
  const few = lanes.filter(lane => lane.received < ENOUGH);
  const sentences = few.length ? [tooFew(lanes, few)] : [speed(lanes), cost(lanes), ...setup(lanes)];
  const older = lanes.some(lane => lane.received > kept) ? ` (medians: the last ${count(kept)})` : "";
  return [`Over ${span(over_s)} and ${count(published)} message${published === 1 ? "" : "s"}${older}: ${sentences[0]}`, ...sentences.slice(1), ...incomplete(lanes)].join(" ");
}

function tooFew(lanes, few) {
  if (few.length === lanes.length) return `too few for a verdict, which takes ${ENOUGH} on each transport.`;
  return `too few for a verdict, which takes ${ENOUGH} on each transport: ${list(few.map(lane => `${name(lane)} has ${lane.received}`))}.`;
}

function speed(lanes) {
  const fastest_ms = Math.min(...lanes.map(lane => lane.median_ms));
  const tied = ({ median_ms }) => median_ms <= fastest_ms * TIE || median_ms - fastest_ms <= TIE_MS;
  const fast = lanes.filter(tied), slow = lanes.filter(lane => !tied(lane)).sort((a, b) => a.median_ms - b.median_ms);
  const median = `a median of ${between(fastest_ms, Math.max(...fast.map(lane => lane.median_ms)))}`;
  const last = fast.at(-1), others = fast.slice(0, -1).map(name);
  const first =
    others.length === 0 ? `${name(last)} was fastest, with ${median}`
    : `${list(others)} ${others.length > 1 ? "were" : "was"} as fast as ${name(last)}, with ${median}`;
  const rest = slow.map((lane, i) => `${name(lane)}${lane.aside && ` (${lane.aside})`}${i ? "" : " took"} ${longer(lane.median_ms, fastest_ms, i === 0)}`);
  return `${first}${rest.length ? `; ${rest.join(", ")}` : ""}.`;
}

/** How much longer: as a ratio, or in ms where there is next to nothing to compare with. */
function longer(median_ms, fastest_ms, first) {
  if (fastest_ms < TIE_MS) return `${duration(median_ms - fastest_ms)}${first ? " more" : ""}`;
  return `${times(median_ms / fastest_ms)}${first ? " that" : ""}`;
}

/** Per message, without setting up connections. */
function cost(lanes) {
  const byBytes = [...lanes].sort((a, b) => a.perMessage - b.perMessage), least = byBytes[0], most = byBytes.at(-1);
  const poller = lanes.reduce((a, b) => (b.requests > a.requests ? b : a));
  const polled = poller.requests > 1 ? `sent ${count(poller.requests)} requests, ${emptyOf(poller)}` : "";
  if (most.perMessage <= least.perMessage * TIE) return `A message took about as many bytes on all of them${polled && `; ${name(poller)} ${polled}`}.`;
  const took = `Per message, ${name(most)} took ${size(most.perMessage)}, ${times(most.perMessage / least.perMessage)} the ${size(least.perMessage)} of ${name(least)}`;
  if (!polled) return `${took}.`;
  return most === poller ? `${took}; it ${polled}.` : `${took}; ${name(poller)} ${polled}.`;
}

const emptyOf = ({ empty, requests }) => (empty === 0 ? "none of them empty" : empty >= requests ? "all of them empty" : `${count(empty)} of them empty`);

/** What comes once for a connection. */
function setup(lanes) {
  const those = lanes.filter(lane => lane.setup > 0);
  return those.length ? [`Set-up came on top, once: ${list(those.map(lane => `${size(lane.setup)} for ${name(lane)}`))}.`] : [];
}

function incomplete(lanes) {
  const sentences = [];
  const least = Math.min(...lanes.map(lane => lane.waiting)); // nobody has these yet
  const behind = lanes.filter(lane => lane.waiting > least);
  const each = still => list(behind.map((lane, i) => `${name(lane)} ${i ? "" : still}for ${count(lane.waiting)}`));
  if (least) sentences.push(`All still wait for the last ${least === 1 ? "one" : count(least)}${behind.length ? `, ${each("")}` : ""}.`);
  else if (behind.length) sentences.push(`${capital(each("still waits "))}.`);
  const missed = lanes.filter(lane => lane.missed > 0);
  if (missed.length) sentences.push(`${capital(list(missed.map(lane => `${name(lane)} missed ${count(lane.missed)}`)))}.`);
  return sentences;
}

/** `201 ms`, `201 to 215 ms`. */
function between(low_ms, high_ms) {
  const [low, high] = [low_ms, high_ms].map(duration), unit = low.split(" ")[1];
  return low === high ? low : high.endsWith(` ${unit}`) ? `${low.split(" ")[0]} to ${high}` : `${low} to ${high}`;
}

/** `6.2 times`, `14 times`. */
function times(ratio) { return `${ratio < 9.95 ? ratio.toFixed(1) : count(Math.round(ratio))} times`; }

/** `42 s`, `12 min 5 s`. */
function span(seconds) {
  const whole = Math.round(seconds);
  return whole < 100 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** A title inside a sentence: `short polling`, but `SSE`. */
function name({ title }) { return title.includes(" ") ? title[0].toLowerCase() + title.slice(1) : title; }
