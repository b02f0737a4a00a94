// Two long polls with the same address at the same time: plain, and then with `no-store`.
import { html } from "htm/preact";
import { capital, duration } from "../words/format.js";
import { ask, Row } from "./run.js";
import { Rows } from "./rows.js";

const HOLD_S = 4;
const PUBLISH_AFTER_MS = 2000;

const WAYS = [
  { group: "fetch(url)", said: "plain", options: {} },
  { group: 'fetch(url, { cache: "no-store" })', said: "with no-store", options: { cache: "no-store" } },
];

export const equal = {
  name: "equal",
  limit_s: 20,
  end: "End it",
  starts: [{ id: "run-equal", label: "Ask twice", hotkey: "4" }],
  option: { name: "publish", label: "publish a message after 2 s" },

  plan(run) {
    run.rows = WAYS.flatMap(({ group }) => [1, 2].map(number => new Row(`Question ${number}`, "long_poll", group)));
  },

  async perform(run, { publish }) {
    for (const { group, said, options } of WAYS) {
      const pair = run.rows.filter(row => row.group === group);
      const after = run.tap.newest;
      run.onPublished = (cursor, at_ms) => run.mark("message", "a message is published", group, at_ms);
      run.say(`Two equal questions, ${said}. The server holds each for up to ${HOLD_S} s${publish === "1" ? ", and has news after 2 s" : "; there is no news"}.`);
      for (const row of pair) ask(run, row, `/long-poll?after=${after}&hold=${HOLD_S}`, options);
      if (publish === "1") {
        await run.wait(PUBLISH_AFTER_MS);
        run.tap.say({ publish: "the news that both questions wait for" });
      }
      await run.until(() => pair.every(row => row.ended_ms !== null && row.left_ms !== null), 1000 * (2 * HOLD_S + 2));
      await run.wait(500);
    }
  },

  verdict({ rows, marks, sees = true }) {
    if (rows.some(row => row.how === "lost")) return "A question failed, so this says nothing about limits. Try again.";
    if (!sees) return "This page was too slow to be told everything that the server saw. Try again.";
    const seen = WAYS.map(({ group, said }) => {
      const pair = rows.filter(row => row.group === group && row.asked_ms !== null);
      return pair.length < 2 ? null : { said, kind: kind(pair), text: about(pair, marks.find(mark => mark.group === group)) };
    }).filter(Boolean);
    if (!seen.length) return "Ended before anything was asked.";
    const sentences = seen.map(({ said, text }) => `${capital(said)}: ${text}.`).join(" ");
    const kinds = seen.map(one => one.kind).join();
    const so = { "queued,together": "The lock is on the question, and no-store in the question takes it away.",
      "together,together": "This browser sends both at once anyway; others may not.",
      "queued,queued": "Here, not even no-store helps: different addresses would." }[kinds] ?? "";
    return `${sentences} ${so}`.trim();
  },

  Picture: ({ run, now_ms }) => html`<${Rows} ...${run} now_ms=${now_ms} least_s=${4} caption="Two equal long polls, plain and with no-store: when each was answered, and when it had reached the server" />`,
};

/** The two in the order in which they were sent. */
const sent = pair => [...pair].sort((a, b) => (a.reached_ms ?? Infinity) - (b.reached_ms ?? Infinity));

/** How a pair went: queued (the second was sent when the first answer had left), together, shared (asked only once) or ended. */
export function kind(pair) {
  const [first, second] = sent(pair);
  if (first.reached_ms === null) return "ended";
  if (second.reached_ms === null) return second.how === "answered" ? "shared" : "ended";
  if (first.left_ms === null) return second.reached_ms - first.reached_ms < 1000 ? "together" : "late";
  return second.reached_ms >= first.left_ms ? "queued" : second.reached_ms - first.reached_ms < 1000 ? "together" : "late";
}

function about(pair, published) {
  const [first, second] = sent(pair);
  const gap = duration(second.reached_ms - first.reached_ms);
  const answered = [first, second].map(row => (row.how === "answered" ? duration(row.ended_ms - row.asked_ms) : null));
  const both = answered.every(Boolean) ? `answered after ${answered.join(" and ")}` : "not both were answered";
  const late = published && second.reached_ms > published.at_ms && second.how === "answered" ? ", where it found the message already there" : "";
  return {
    queued: `the second was sent only when the first had its answer, ${gap} later${late}; ${both}`,
    together: `both reached the server at once; ${both}`,
    late: `the second was sent ${gap} after the first, while that was still held; ${both}`,
    shared: `the server was asked only once, and the browser gave that answer to both; ${both}`,
    ended: "ended before the second was sent",
  }[kind(pair)];
}
