// Seven EventSources to one host, one after the other, and a fetch: over HTTP/1.1 the seventh waits, and so does the fetch.
import { html } from "htm/preact";
import * as words from "../words/limits.js";
import { request, Row, stream } from "./run.js";
import { Rows } from "./rows.js";

const STREAMS = 7;
const AT_ONCE_MS = 800; // what is not open after this long is waiting for something
const GAP_MS = 150; // slow enough to follow by eye
const BETWEEN_MS = 2000;
const CLOCKS_MS = 100; // how far the server's clock and ours may be apart, on a busy computer

/** `number` EventSources, and the fetch that comes after them. */
export const streamsAndFetch = number => [...Array.from({ length: number }, (_, i) => new Row("sse", i + 1)), new Row("short_poll", 1)];

/** Open one stream after the other. */
export async function fill(run, rows) {
  for (const row of rows) {
    stream(run, row);
    await run.until(() => !row.waits, run.patience_ms(AT_ONCE_MS));
    await run.wait(GAP_MS);
  }
}

/** Wait until nothing is waiting, or nothing changes any more: a slow computer is not a limit of the browser. */
export async function settle(run) {
  const waiting = () => run.rows.filter(row => row.waits).length;
  for (let before = waiting(); before && (await run.until(() => waiting() < before, AT_ONCE_MS)); before = waiting());
}

export const six = {
  name: "six",
  limit_s: 20,
  starts: [{ id: "run-six", hotkey: "1" }],
  nudge: "close-one",

  plan(run) { run.rows = streamsAndFetch(STREAMS); },

  async perform(run, { pause }) {
    const streams = run.rows.slice(0, STREAMS), poll = run.rows.at(-1);
    const waiting = () => run.rows.filter(row => row.waits);
    run.say(words.openingSeven());
    await fill(run, streams);
    request(run, poll, "/short-poll", { cache: "no-store" });
    await settle(run);
    const wait_ms = [1000 * pause];
    while (waiting().length && streams.some(row => row.open)) {
      const before = waiting();
      run.say(words.waiting(before));
      await run.pause(wait_ms.pop() ?? BETWEEN_MS);
      const first = streams.find(row => row.open);
      run.mark("closed", { row: first });
      first.close();
      await run.until(() => waiting().length < before.length, BETWEEN_MS);
    }
    await run.wait(BETWEEN_MS / 2);
  },

  verdict(run, protocol) {
    const found = findings(run);
    return words.six[found.kind]({ ...found, protocol });
  },

  Picture: ({ run, now_ms }) => html`<${Rows} ...${run} now_ms=${now_ms} least_s=${10} caption=${words.CAPTIONS.six} />`,
};

/** What a run shows, from its rows alone, so that the page never says what did not happen: { kind, … } as words.six takes it. */
export function findings({ rows, marks, sees = true }) {
  if (rows.some(row => row.how === "lost")) return { kind: "failed" };
  const streams = rows.filter(row => row.transport === "sse"), poll = rows.find(row => row.transport !== "sse");
  const cut_ms = Math.min(...streams.map(row => row.ended_ms ?? Infinity));
  const open = streams.filter(row => row.opened_ms !== null && row.opened_ms < cut_ms).length;
  // What was cancelled while it was still opening, or had only just been asked for, did not wait for anything.
  const waited = rows.filter(row => row.requested_ms !== null && (row.opened_ms === null || row.opened_ms >= cut_ms) && (row.opened_ms ?? row.ended_ms) - row.requested_ms >= AT_ONCE_MS);
  if (!waited.length) return { kind: poll.opened_ms === null ? "early" : "none", open };
  const kept = waited.map(row => {
    const mark = row.sent_ms === null ? undefined : marks.filter(({ at_ms }) => at_ms <= row.sent_ms).at(-1) ?? marks.find(({ at_ms }) => at_ms <= row.sent_ms + CLOCKS_MS);
    return { row, waited_ms: (row.sent_ms ?? row.opened_ms ?? row.ended_ms) - row.requested_ms, closed: mark?.row, after_ms: mark && Math.max(0, row.sent_ms - mark.at_ms) };
  });
  const reached = kept.filter(({ row, closed }) => row.sent_ms !== null && !closed).map(({ row }) => row);
  return reached.length ? { kind: "slow", reached } : { kind: "limit", open, kept, sees };
}
