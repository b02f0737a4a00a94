// Ten WebSockets to one host; optionally, while all HTTP/1.1 connections are taken.
import { html } from "htm/preact";
import * as words from "../words/limits.js";
import { request, Row, socket } from "./run.js";
import { Rows } from "./rows.js";
import { fill, settle, streamsAndFetch } from "./six.js";

const STREAMS = 6, SOCKETS = 10;
const MOST_MS = 4000;

export const sockets = {
  name: "sockets",
  limit_s: 20,
  starts: [{ id: "run-sockets", hotkey: "2" }],
  option: "six",

  plan(run, { six }) {
    run.rows = [...(six === "1" ? streamsAndFetch(STREAMS) : []), ...Array.from({ length: SOCKETS }, (_, i) => new Row("websocket", i + 1))];
  },

  async perform(run, { pause }) {
    const of = transport => run.rows.filter(row => row.transport === transport);
    const [poll] = of("short_poll");
    if (poll) {
      run.say(words.takingConnections());
      await fill(run, of("sse"));
      request(run, poll, "/short-poll", { cache: "no-store" });
      await settle(run);
    }
    run.say(words.openingTen());
    for (const row of of("websocket")) socket(run, row);
    await run.until(() => of("websocket").every(row => !row.waits), MOST_MS);
    await settle(run);
    run.say(words.nowOpen(run.rows.filter(row => row.open).length));
    await run.pause(1000 * pause);
    if (poll?.waits) {
      run.mark("streams_closed");
      for (const row of of("sse")) row.close();
      await run.until(() => !poll.waits, MOST_MS);
      await run.wait(500);
    }
  },

  verdict(run, protocol) {
    const found = findings(run);
    return words.sockets[found.kind]({ ...found, protocol });
  },

  Picture: ({ run, now_ms }) => html`<${Rows} ...${run} now_ms=${now_ms} least_s=${8} caption=${words.CAPTIONS.sockets} />`,
};

/** What a run shows: { kind, … } as words.sockets takes it. */
export function findings({ rows }) {
  if (rows.some(row => row.how === "lost")) return { kind: "failed" };
  const of = transport => rows.filter(row => row.transport === transport);
  const asked = of("websocket").filter(row => row.requested_ms !== null), [poll] = of("short_poll");
  if (!asked.length) return { kind: "not_yet" };
  const first_ms = Math.min(...asked.map(row => row.requested_ms));
  const cut_ms = Math.min(...asked.map(row => row.ended_ms ?? Infinity));
  const opened = asked.filter(row => row.opened_ms !== null && row.opened_ms < cut_ms), open = opened.length;
  if (open < asked.length) return { kind: "few", open, asked: asked.length, after_ms: cut_ms - first_ms };
  const opened_ms = Math.max(...opened.map(row => row.opened_ms)), last_ms = opened_ms - first_ms;
  const held = of("sse").filter(row => row.opened_ms !== null).length;
  if (!held) return { kind: "alone", open, last_ms };
  // The fetch waited if it had no response yet when all the WebSockets were open.
  return poll.opened_ms === null || poll.opened_ms > opened_ms
    ? { kind: "apart", open, last_ms, held, waited_ms: (poll.sent_ms ?? poll.opened_ms ?? poll.ended_ms) - poll.requested_ms }
    : { kind: "unclear", open, last_ms, held };
}
