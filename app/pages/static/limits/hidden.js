// A timer of 100 ms and an SSE stream, recorded while the tab is hidden.
import { html } from "htm/preact";
import { duration } from "../words/format.js";
import { Row, stream } from "./run.js";
import { Axis, span } from "./rows.js";

const TICK_MS = 100;
const MESSAGES_HZ = 5;
const AFTER_MS = 3000;
const LIMIT_S = 1800;

/** What was recorded; times are the page's, in ms. */
export class Recording {
  ticks_ms = [];
  messages = new Map(); // cursor -> { published_ms, arrived_ms }, each null as long as it is not known
  hidden = []; // { from_ms, to_ms or null }

  /** Look whether the tab is hidden. The event says so at once, but whatever else wakes us is evidence too. */
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
  end: "Stop",
  starts: [
    { id: "run-hidden", label: ({ away }) => `Hide this tab for ${away} s`, hotkey: "3", opens: true },
    { id: "record-hidden", label: "Record, I switch tabs myself" },
  ],

  plan(run) {
    run.recording = new Recording();
    run.rows = [new Row("SSE", "sse")];
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
    run.say(!opens ? "Recording. Switch to another tab, stay there as long as you like, and come back."
      : tab ? `Recording, while another tab is in front for ${away} s.`
      : "Recording, but the browser did not let this page open another tab. Switch to another one yourself, and come back.");
    await run.until(() => recording.hidden.length && !document.hidden, 1000 * LIMIT_S);
    run.say("Welcome back. Three more seconds, to compare.");
    await run.wait(AFTER_MS);
    clearInterval(ticking);
    publish(0);
    // What was published before the end is still on its way.
    await run.wait(200);
    await run.until(() => [...recording.messages.values()].every(message => message.arrived_ms !== null), 1000);
  },

  verdict({ recording, ended_ms, rows: [row] }) {
    if (row.how === "lost") return "The stream was lost, so this says nothing about timers. Try again.";
    const spans = recording.hidden.map(({ from_ms, to_ms }) => ({ from_ms, to_ms: to_ms ?? ended_ms }));
    if (!spans.length) return "This tab was never hidden, so nothing slowed down. Switch to another tab while it records.";
    const within = at_ms => spans.some(({ from_ms, to_ms }) => at_ms >= from_ms && at_ms <= to_ms);
    const hidden_ms = spans.reduce((sum, { from_ms, to_ms }) => sum + to_ms - from_ms, 0);
    const ticks = recording.ticks_ms.filter(within);
    const due = Math.floor(hidden_ms / TICK_MS);
    const published = [...recording.messages.values()].filter(({ published_ms }) => published_ms !== null && within(published_ms));
    const arrived = published.filter(({ arrived_ms }) => arrived_ms !== null);
    const latest_ms = Math.max(0, ...arrived.map(({ published_ms, arrived_ms }) => arrived_ms - published_ms));
    const stops_ms = spans.flatMap(({ from_ms, to_ms }) => [from_ms, ...ticks.filter(at_ms => at_ms > from_ms && at_ms < to_ms), to_ms].map((at_ms, i, all) => (i ? at_ms - all[i - 1] : 0)));
    const longest_ms = Math.max(...stops_ms);
    const timer = ticks.length >= 0.8 * due
      ? `the timer that should tick ${due} times did ${ticks.length} times: this browser did not slow it down in that time`
      : `the timer that should tick ${due} times did ${ticks.length} times${longest_ms > 30_000 ? `, and slept for up to ${duration(longest_ms)} at a time` : ""}`;
    const sse = !published.length ? "no message was published meanwhile"
      : arrived.length === published.length ? `SSE delivered ${arrived.length} of ${published.length} messages, the slowest within ${duration(latest_ms)}`
      : `SSE delivered only ${arrived.length} of ${published.length} messages: the browser slowed the network down too`;
    return `Hidden for ${(hidden_ms / 1000).toFixed(1)} s: ${timer}; ${sse}.`;
  },

  Picture: ({ run, now_ms }) => html`<${Ticks} recording=${run.recording} from_ms=${run.begun_ms} now_ms=${now_ms} />`,
};

function Ticks({ recording, from_ms, now_ms }) {
  const span_ms = span(from_ms, Math.max(now_ms, from_ms), 15);
  const x = at_ms => (1000 * (at_ms - from_ms)) / span_ms;
  const path = times_ms => times_ms.map(at_ms => `M${x(at_ms).toFixed(1)} 0V10`).join("");
  const messages = [...recording.messages.values()];
  const known = name => messages.map(message => message[name]).filter(at_ms => at_ms !== null);
  const lanes = [
    ["Timer ticks", "every 100 ms, if it could", "tick", recording.ticks_ms],
    ["Messages arrive", "over SSE", "sse", known("arrived_ms")],
    ["Server publishes", "about 5 per second, at random", "published", known("published_ms")],
  ];
  return html`
    <div class="lanes">
      <div class="lane-head"><${Axis} span_ms=${span_ms} /></div>
      ${lanes.map(([label, hint, kind, times_ms]) => html`
        <div class=${`lane ${kind}`} key=${kind} data-transport=${kind === "sse" ? "sse" : undefined}>
          <p>${label} <span class="hint">${hint}</span><span class="count">${times_ms.length}</span></p>
          <div class="track">
            ${recording.hidden.map(one => html`<i class="shade" style=${{ left: `${x(one.from_ms) / 10}%`, width: `${(x(one.to_ms ?? now_ms) - x(one.from_ms)) / 10}%` }}></i>`)}
            <svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=${`${label}: ${times_ms.length} times`}><path d=${path(times_ms)} /></svg>
          </div>
        </div>`)}
      <p class="legend"><span class="key shaded"></span> this tab was hidden</p>
    </div>`;
}
