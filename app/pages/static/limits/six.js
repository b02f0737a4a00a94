// Seven EventSources to one host, one after the other, and a fetch: over HTTP/1.1 the seventh waits, and so does the fetch.
import { html } from "htm/preact";
import { capital, duration, list } from "../words/format.js";
import { ask, Row, stream } from "./run.js";
import { Rows } from "./rows.js";

const STREAMS = 7;
const AT_ONCE_MS = 800; // what has not opened after so long waits for something
const GAP_MS = 150; // so that it can be followed by eye
const BETWEEN_MS = 2000;
const CLOCKS_MS = 100;

export const count = number => ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"][number] ?? String(number);

/** Open one stream after the other. */
export async function fill(run, rows) {
  for (const row of rows) {
    stream(run, row);
    await run.until(() => !row.waits, run.patience_ms(AT_ONCE_MS));
    await run.wait(GAP_MS);
  }
}

/** Wait until nothing waits, or nothing changes: a slow computer is no limit of the browser. */
export async function settle(run) {
  const waiting = () => run.rows.filter(row => row.waits).length;
  for (let before = waiting(); before && (await run.until(() => waiting() < before, AT_ONCE_MS)); before = waiting());
}

export const six = {
  name: "six",
  limit_s: 20,
  end: "Close all",
  starts: [{ id: "run-six", label: "Open seven", hotkey: "1" }],
  nudge: { id: "close-one", label: "Close one", otherwise: "nothing waits now" },

  plan(run) {
    run.rows = Array.from({ length: STREAMS }, (_, i) => new Row(`EventSource ${i + 1}`, "sse"));
    run.rows.push(new Row("fetch", "short_poll"));
  },

  async perform(run, { pause }) {
    const streams = run.rows.slice(0, STREAMS), poll = run.rows.at(-1);
    const waiting = () => run.rows.filter(row => row.waits);
    run.say("Opening seven EventSources, one after the other, and then a fetch.");
    await fill(run, streams);
    ask(run, poll, "/short-poll", { cache: "no-store" });
    await settle(run);
    const wait_ms = [1000 * pause];
    while (waiting().length && streams.some(row => row.open)) {
      const before = waiting();
      run.say(`${capital(list(before.map(row => (row === poll ? "the fetch" : row.label))))} ${before.length > 1 ? "wait" : "waits"}, and the server knows nothing of ${before.length > 1 ? "them" : "it"}. Close one of the open ones; or it happens by itself.`);
      await run.pause(wait_ms.pop() ?? BETWEEN_MS);
      const first = streams.find(row => row.open);
      run.mark(first.label, "one is closed");
      first.close();
      await run.until(() => waiting().length < before.length, BETWEEN_MS);
    }
    await run.wait(BETWEEN_MS / 2);
  },

  /** What was seen, in words: of rows alone, so that nothing is said that did not happen. */
  verdict({ rows, marks, sees = true }, protocol) {
    const streams = rows.filter(row => row.transport === "sse"), poll = rows.find(row => row.transport !== "sse");
    if (rows.some(row => row.how === "lost")) return "A connection failed, so this says nothing about limits. Try again.";
    const cut_ms = Math.min(...streams.map(row => row.ended_ms ?? Infinity));
    const asked = rows.filter(row => row.asked_ms !== null);
    const open = streams.filter(row => row.began_ms !== null && row.began_ms < cut_ms);
    const waited = asked.filter(row => row.began_ms === null || row.began_ms >= cut_ms);
    if (!waited.length) {
      if (poll.asked_ms === null) return `Ended after ${count(open.length)} had opened: that is no limit yet. Let it go on.`;
      return `All ${count(open.length)} opened, and the fetch was answered as well: no limit here. ${because(protocol)}`;
    }
    const name = row => (row === poll ? "the fetch" : row.label);
    // Two clocks are compared here: so a bit before is not before.
    const sentEarly = waited.filter(row => row.sent_ms !== null && row.sent_ms < cut_ms - CLOCKS_MS);
    const kept = list(waited.map((row, i) => `${name(row)} ${i ? "" : "was kept back "}for ${duration((row.sent_ms ?? row.ended_ms) - row.asked_ms)}`));
    const where = !sees ? "what the server saw meanwhile is not known, for this page was too slow to be told"
      : sentEarly.length ? `but ${list(sentEarly.map(name))} had reached the server: it was the server that was slow, and no limit`
      : "all that time, the server had not been asked";
    const freed = waited.map(row => {
      const before = marks.filter(mark => mark.at_ms <= (row.began_ms ?? row.sent_ms)).at(-1);
      if (row.sent_ms === null) return sees ? `${name(row)} was never sent` : null;
      if (before) return `${name(row)} was sent ${duration(Math.max(0, row.sent_ms - before.at_ms))} after ${before.text} was closed`;
      // Closing all frees the places a moment before the browser has noticed that nobody waits any more.
      return sentEarly.includes(row) ? null : `${name(row)} was sent only when all were closed`;
    }).filter(Boolean);
    const others = open.length < 6 && !sentEarly.length ? " Six is usual: other tabs of this site may hold the rest." : "";
    return `${capital(count(open.length))} EventSources were open at the same time. ${capital(kept)}: ${where}. ${freed.length ? `${capital(list(freed))}.` : ""}${others}`.trim();
  },

  Picture: ({ run, now_ms }) => html`<${Rows} ...${run} now_ms=${now_ms} least_s=${10} caption="Seven EventSources and a fetch: what the browser says, and whether the server was asked" />`,
};

/** Why no limit was met, as far as the page can know. */
export const because = protocol => (/^h[23]/.test(protocol)
  ? `This page came over HTTP/${protocol[1]}, where one connection carries them all.`
  : "This browser gives a host more connections than the usual six.");
