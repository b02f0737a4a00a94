// Ten WebSockets to one host, if wanted while the six places for HTTP/1.1 are all taken.
import { html } from "htm/preact";
import { duration } from "../words/format.js";
import { ask, Row, socket } from "./run.js";
import { Rows } from "./rows.js";
import { because, count, fill, settle } from "./six.js";

const STREAMS = 6, SOCKETS = 10;
const MOST_MS = 4000;

export const sockets = {
  name: "sockets",
  limit_s: 20,
  end: "Close all",
  starts: [{ id: "run-sockets", label: "Open ten", hotkey: "2" }],
  option: { name: "six", label: "six EventSources and a fetch first" },

  plan(run, { six }) {
    const streams = six === "1" ? Array.from({ length: STREAMS }, (_, i) => new Row(`EventSource ${i + 1}`, "sse")) : [];
    const poll = six === "1" ? [new Row("fetch", "short_poll")] : [];
    run.rows = [...streams, ...poll, ...Array.from({ length: SOCKETS }, (_, i) => new Row(`WebSocket ${i + 1}`, "websocket"))];
  },

  async perform(run, { pause }) {
    const of = transport => run.rows.filter(row => row.transport === transport);
    const [poll] = of("short_poll");
    if (poll) {
      run.say("First six EventSources and a fetch take all the places that there are for HTTP/1.1.");
      await fill(run, of("sse"));
      ask(run, poll, "/short-poll", { cache: "no-store" });
      await settle(run);
    }
    run.say("Ten WebSockets, all asked for at once.");
    for (const row of of("websocket")) socket(run, row);
    await run.until(() => of("websocket").every(row => !row.waits), MOST_MS);
    await settle(run);
    run.say(`${run.rows.filter(row => row.open).length} connections are open. They will be closed in a moment.`);
    await run.pause(1000 * pause);
    if (poll?.waits) {
      run.mark("all EventSources", "the EventSources are closed");
      for (const row of of("sse")) row.close();
      await run.until(() => !poll.waits, MOST_MS);
      await run.wait(500);
    }
  },

  verdict({ rows }, protocol) {
    const of = transport => rows.filter(row => row.transport === transport);
    const asked = of("websocket").filter(row => row.asked_ms !== null), [poll] = of("short_poll");
    if (rows.some(row => row.how === "lost")) return "A connection failed, so this says nothing about limits. Try again.";
    if (!asked.length) return "Ended before the first WebSocket was asked for.";
    const first_ms = Math.min(...asked.map(row => row.asked_ms));
    const cut_ms = Math.min(...asked.map(row => row.ended_ms ?? Infinity));
    const open = asked.filter(row => row.began_ms !== null && row.began_ms < cut_ms);
    const after = duration(Math.max(...open.map(row => row.began_ms)) - first_ms);
    const all = open.length === asked.length
      ? `All ${count(open.length)} WebSockets were open at the same time, the last after ${after}.`
      : `Only ${count(open.length)} of ${count(asked.length)} WebSockets were open when they were closed.`;
    const streams = of("sse").filter(row => row.began_ms !== null);
    if (!streams.length) return `${all} No HTTP connection was in the way: take the six EventSources first, and compare.`;
    // The fetch waited if it was not answered before the WebSockets were open.
    const opened_ms = Math.max(...open.map(row => row.began_ms), first_ms);
    return poll.began_ms === null || poll.began_ms > opened_ms
      ? `${all} Meanwhile ${count(streams.length)} EventSources had all the places for HTTP/1.1, and the fetch waited ${duration((poll.sent_ms ?? poll.ended_ms) - poll.asked_ms)}: WebSockets are in another pool.`
      : `${all} But the fetch was not kept back either, with ${count(streams.length)} EventSources open: this shows no separate pool. ${because(protocol)}`;
  },

  Picture: ({ run, now_ms }) => html`<${Rows} ...${run} now_ms=${now_ms} least_s=${8} caption="Ten WebSockets, with six EventSources and a fetch: what the browser says, and whether the server was asked" />`,
};
