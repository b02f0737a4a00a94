// Two long polls with the same address at the same time: plain, and then with `no-store`.
import { html } from "htm/preact";
import * as words from "../words/limits.js";
import { request, Row } from "./run.js";
import { Rows } from "./rows.js";

const PUBLISH_AFTER_MS = 2000;
const AT_ONCE_MS = 1000;

const GROUPS = { plain: {}, no_store: { cache: "no-store" } }; // how both are fetched

export const equal = {
  name: "equal",
  limit_s: 20,
  starts: [{ id: "run-equal", hotkey: "4" }],
  option: "publish",

  plan(run) { run.rows = Object.keys(GROUPS).flatMap(group => [1, 2].map(number => new Row("long_poll", number, group))); },

  async perform(run, { hold, ...values }) {
    const publish = values.publish === "1";
    for (const [group, options] of Object.entries(GROUPS)) {
      const pair = run.rows.filter(row => row.group === group);
      const after = run.tap.newest;
      run.onPublished = (cursor, at_ms) => run.mark("published", { group, at_ms });
      run.say(words.sending({ group, hold_s: hold, publish }));
      for (const row of pair) request(run, row, `/long-poll?after=${after}&hold=${hold}`, options);
      if (publish) {
        await run.wait(PUBLISH_AFTER_MS);
        run.tap.say({ publish: words.PUBLISHED });
      }
      await run.until(() => pair.every(row => row.ended_ms !== null && row.left_ms !== null), 1000 * (2 * hold + 2));
      await run.wait(500);
    }
  },

  verdict(run) {
    const found = findings(run);
    return words.equal[found.kind](found);
  },

  Picture: ({ run, now_ms }) => html`<${Rows} ...${run} now_ms=${now_ms} least_s=${4} caption=${words.CAPTIONS.equal} />`,
};

/** What a run shows: { kind, … } as words.equal takes it. */
export function findings({ rows, marks, sees = true }) {
  if (rows.some(row => row.how === "lost")) return { kind: "failed" };
  if (!sees) return { kind: "unseen" };
  const pairs = Object.keys(GROUPS).map(group => [group, rows.filter(row => row.group === group && row.requested_ms !== null)]).filter(([, pair]) => pair.length === 2);
  return pairs.length
    ? { kind: "seen", pairs: pairs.map(([group, pair]) => ({ group, ...about(pair, marks.find(mark => mark.group === group)) })) }
    : { kind: "early" };
}

/** The two in the order in which they were sent. */
const sent = pair => [...pair].sort((a, b) => (a.reached_ms ?? Infinity) - (b.reached_ms ?? Infinity));

/** How a pair went: queued (the second was sent when the first response had left), together, late, shared (sent only once) or ended. */
function kind(pair) {
  const [first, second] = sent(pair);
  if (first.reached_ms === null) return "ended";
  if (second.reached_ms === null) return second.how === "responded" ? "shared" : "ended";
  if (first.left_ms !== null && second.reached_ms >= first.left_ms) return "queued";
  return second.reached_ms - first.reached_ms < AT_ONCE_MS ? "together" : "late";
}

function about(pair, published) {
  const [first, second] = sent(pair);
  return {
    kind: kind(pair),
    gap_ms: second.reached_ms - first.reached_ms,
    late: published !== undefined && second.reached_ms > published.at_ms && second.how === "responded",
    responses_ms: pair.every(row => row.how === "responded") ? [first, second].map(row => row.ended_ms - row.requested_ms) : null,
  };
}
