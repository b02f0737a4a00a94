// A timer of 100 ms and an SSE stream, recorded while the tab is hidden.
import { html } from "htm/preact";
import * as words from "../words/limits.js";
import { Row, stream } from "./run.js";
import { Axis, span } from "./rows.js";

const TICK_MS = 100;
const MESSAGES_HZ = 5;
const AFTER_MS = 3000;
const LIMIT_S = 1800;
const ENOUGH_MS = 1000; // anything shorter shows nothing about timers that may tick once a second
const ON_ITS_WAY_MS = 1000; // a message that was published this shortly before the end is not lost, but on its way

/** What was recorded; times are the page's, in ms. */
export class Recording {
  ticks_ms = [];
  messages = new Map(); // cursor -> { published_ms, arrived_ms }, each null as long as it is not known
  hidden = []; // { from_ms, to_ms or null }

  /** Note whether the tab is hidden. The event says so at once, but anything else that wakes us is a chance to look, too. */
  look(hidden, at_ms) {
    const last = this.hidden.at(-1), was = last?.to_ms === null;
    if (hidden && !was) this.hidden.push({ from_ms: at_ms, to_ms: null });
    if (!hidden && was) last.to_ms = at_ms;
  }

  message(cursor, learnt) { this.messages.set(cursor, { published_ms: null, arrived_ms: null, ...this.messages.get(cursor), ...learnt }); }
}

export const hidden = {
  name: "hidden",
  limit_s: LIMIT_S,
  starts: [
    { id: "run-hidden", hotkey: "3", opens: true },
    { id: "record-hidden" },
  ],

  plan(run) {
    run.recording = new Recording();
    run.rows = [new Row("sse", 1)];
  },

  async perform(run, { away }, { opens }) {
    const { recording } = run;
    const now = () => performance.now();
    const look = () => { recording.look(document.hidden, now()); run.changed(); };
    run.onPublished = (cursor, published_ms) => { recording.message(cursor, { published_ms }); };
    // The stream first: from a hidden tab even this would be slower.
    const source = stream(run, run.rows[0]);
    source.onmessage = ({ lastEventId }) => { recording.message(lastEventId, { arrived_ms: now() }); look(); };
    const ticking = setInterval(() => { recording.ticks_ms.push(now()); look(); }, TICK_MS);
    run.atEnd(() => clearInterval(ticking));
    document.addEventListener("visibilitychange", look);
    run.atEnd(() => document.removeEventListener("visibilitychange", look));
    const publish = publish_hz => run.tap.say({ settings: { publish_hz, delay_ms: 0, upgrades: "pass" } });
    source.addEventListener("open", () => publish(MESSAGES_HZ));
    run.atEnd(() => publish(0));
    const tab = opens ? window.open(`/limits/away?seconds=${away}`) : null;
    run.atEnd(() => tab?.close());
    run.say(!opens ? words.recording() : tab ? words.recordingAway(away) : words.noTab());
    await run.until(() => recording.hidden.length && !document.hidden, 1000 * LIMIT_S);
    run.say(words.welcomeBack());
    await run.wait(AFTER_MS);
    clearInterval(ticking);
    publish(0);
    // What was published before the end is still on its way.
    await run.wait(200);
    await run.until(() => [...recording.messages.values()].every(message => message.arrived_ms !== null), 1000);
  },

  verdict(run) {
    const found = findings(run);
    return words.hidden[found.kind](found);
  },

  Picture: ({ run, now_ms }) => html`<${Ticks} recording=${run.recording} from_ms=${run.begun_ms} now_ms=${now_ms} />`,
};

/** What a run shows: { kind, … } as words.hidden takes it. */
export function findings({ recording, ended_ms, rows: [row] }) {
  if (row.how === "lost") return { kind: "failed" };
  const spans = recording.hidden.map(({ from_ms, to_ms }) => ({ from_ms, to_ms: to_ms ?? ended_ms }));
  if (!spans.length) return { kind: "never" };
  const hidden_ms = spans.reduce((sum, { from_ms, to_ms }) => sum + to_ms - from_ms, 0);
  if (hidden_ms < ENOUGH_MS) return { kind: "short", hidden_ms };
  const within = at_ms => spans.some(({ from_ms, to_ms }) => at_ms >= from_ms && at_ms <= to_ms);
  const ticks = recording.ticks_ms.filter(within);
  const sleeps_ms = spans.flatMap(({ from_ms, to_ms }) => [from_ms, ...ticks.filter(at_ms => at_ms > from_ms && at_ms < to_ms), to_ms].map((at_ms, i, all) => (i ? at_ms - all[i - 1] : 0)));
  const published = [...recording.messages.values()].filter(({ published_ms, arrived_ms }) => published_ms !== null && within(published_ms) && (arrived_ms !== null || published_ms < ended_ms - ON_ITS_WAY_MS));
  const arrived = published.filter(({ arrived_ms }) => arrived_ms !== null);
  return {
    kind: "seen",
    hidden_ms,
    ticks: ticks.length,
    due: Math.floor(hidden_ms / TICK_MS),
    slept_ms: Math.max(...sleeps_ms),
    published: published.length,
    arrived: arrived.length,
    slowest_ms: Math.max(0, ...arrived.map(({ published_ms, arrived_ms }) => arrived_ms - published_ms)),
  };
}

function Ticks({ recording, from_ms, now_ms }) {
  const span_ms = span(from_ms, Math.max(now_ms, from_ms), 15);
  const x = at_ms => (1000 * (at_ms - from_ms)) / span_ms;
  const path = times_ms => times_ms.map(at_ms => `M${x(at_ms).toFixed(1)} 0V10`).join("");
  const messages = [...recording.messages.values()];
  const known = name => messages.map(message => message[name]).filter(at_ms => at_ms !== null);
  const lanes = { ticks: recording.ticks_ms, arrivals: known("arrived_ms"), published: known("published_ms") };
  return html`
    <div class="lanes">
      <div class="lane-head"><${Axis} span_ms=${span_ms} /></div>
      ${Object.entries(lanes).map(([kind, times_ms]) => html`
        <div class=${`lane ${kind}`} key=${kind} data-transport=${kind === "arrivals" ? "sse" : undefined}>
          <p>${words.LANES[kind][0]} <span class="hint">${words.LANES[kind][1]}</span><span class="count">${times_ms.length}</span></p>
          <div class="track">
            ${recording.hidden.map(one => html`<i class="shade" style=${{ left: `${x(one.from_ms) / 10}%`, width: `${(x(one.to_ms ?? now_ms) - x(one.from_ms)) / 10}%` }}></i>`)}
            <svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=${words.lane(words.LANES[kind][0], times_ms.length)}><path d=${path(times_ms)} /></svg>
          </div>
        </div>`)}
      <p class="legend"><span class="key shaded"></span> ${words.LEGEND.hidden}</p>
    </div>`;
}
