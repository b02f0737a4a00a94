// One mode, live: the page receives a session's messages over its transport, and draws what crossed its sockets.
import { html, render } from "htm/preact";
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { address, read } from "./live/address.js";
import { join, SETTINGS } from "./live/session.js";
import { Choice, inTheory, known, SESSION, STOPPED } from "./live/settings.js";
import { median } from "./live/model.js";
import { Ladder, pageTop } from "./draw/ladder.js";
import { duration, size } from "./words/format.js";
import { WireDetail, WireList } from "./draw/wire_view.js";
import { Delays } from "./draw/delays.js";
import { prediction, Question } from "./words/predict.js";
import { expected } from "./theory.js";
import { Action, onKeys } from "./draw/controls.js";
import { narrate } from "./words/narrate.js";
import { showCode } from "./code.js";

const FRAMES_HZ = 30;
const SPANS_S = [1, 2, 5, 10, 20, 60, 120];
const ARROWS_READABLE = 24;
const SENTENCES = 3;
const FEED_BEHIND_MS = 40; // what the feed tells of a message's way is given time to be here before its arrival
const transport = document.body.dataset.transport;
const NEEDS_UPGRADE = transport === "websocket" || transport === "socket_io";
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

const KNOWN = {
  ...known({ ...(transport === "short_poll" && { interval: 2 }), ...(transport === "long_poll" && { hold: 25 }), ...(transport === "socket_io" && { via: "upgrade" }), ...(NEEDS_UPGRADE && { upgrades: "pass" }), rate: 0.5, delay: 200 }),
  seconds: { otherwise: 0, range: [0, 120] }, // 0: as many as can be read
  session: SESSION,
  stopped: { ...STOPPED, otherwise: calm ? "1" : "0" },
  answer: { otherwise: "hidden", pattern: /^(shown|hidden)$/ },
};

const { values, problems } = read(KNOWN);
const told = []; // the last sentences about what happened
let began_ms = 0; // when this page began to receive: what the list counts from
const seen = { now_ms: 0, top_ms: 0, selected: null };
const changed = signal(0); // whatever is drawn reads it, and is drawn again when it counts up

/** Draw anew, at most once for each of the screen's frames. */
let frame = null;
function show() { frame ??= requestAnimationFrame(() => { frame = null; changed.value++; }); }

const joined = join({
  transports: [transport],
  values,
  behind_ms: FEED_BEHIND_MS,
  on: {
    news(what, value, _, fresh) {
      const sentence = narrate(transport, what, value, model, values.answer !== "shown");
      if (sentence) told.push(sentence);
      if (told.length > SENTENCES) told.shift();
      return fresh;
    },
    settings: remember,
    recount() { began_ms ||= model.since_ms; show(); },
    change() {
      if (values.stopped === "1" && !gate.stopped) remember(); // too much was waiting
      show();
    },
  },
});
const { session, gate, now_ms, server, recount } = joined;
const model = joined.models[transport], client = joined.clients[transport];

function remember() {
  values.stopped = gate.stopped ? "1" : "0";
  history.replaceState(null, "", address(KNOWN, values));
  changed.value++;
}

function set(name, value) {
  if (SETTINGS.includes(name)) joined.set(name, value);
  else values[name] = value;
  remember();
}

/** How much time the picture spans: as asked for, or up to 10 s, less if more would happen in it than can be read. */
function span_s() {
  const asks = transport === "long_poll" || (transport === "socket_io" && inTheory(values).polls);
  const arrows_hz = transport === "short_poll" ? 2 / (values.interval + 2e-3 * values.delay) : (asks ? 2 : 1) * values.rate;
  const readable = [10, 5, 2].find(seconds => seconds * arrows_hz <= ARROWS_READABLE) ?? 1;
  return values.seconds || Math.max(readable, SPANS_S.find(seconds => seconds >= 4e-3 * values.delay)); // and some whole arrows
}

/** Let the picture span more (1) or less (-1) time. */
function zoom(by) {
  const seconds = by > 0 ? SPANS_S.find(one => one > span_s()) : SPANS_S.findLast(one => one < span_s());
  if (seconds) set("seconds", seconds);
}

const actions = {
  publish: joined.publish,
  cut: joined.cut,
  stopOrGo() { gate.stopped ? gate.go() : gate.stop(); if (!gate.stopped) seen.selected = null; remember(); },
  step() { if (!gate.stopped) actions.stopOrGo(); gate.step(); seen.selected = null; show(); },
  recount,
};
onKeys({ p: actions.publish, x: actions.cut, Space: actions.stopOrGo, ".": actions.step, r: actions.recount, "+": () => zoom(-1), "-": () => zoom(1) });
if (values.stopped === "1") gate.stop();

function select(id) { seen.selected = id ?? null; changed.value++; }

/** Choose an arrow in the diagram, and have its bytes in view. */
function pick(id) {
  select(id);
  document.querySelector(".wire").scrollIntoView({ block: "nearest" });
}

function Page() {
  changed.value;
  const selected = model.arrows.find(arrow => arrow.id === seen.selected) ?? model.arrows.at(-1);
  return html`
    <${Notices} />
    <${Controls} />
    <div class="stage">
      <section class="picture" aria-label="Ladder diagram"><${Zoom} /><${Live} selected=${selected?.id} />
        <div class="told" role=${gate.stopped ? "status" : null}><ol>${told.toReversed().map(sentence => html`<li>${sentence}</li>`)}</ol></div></section>
      <div class="side">
        <${Counters} />
        <${Prediction} settings=${inTheory(values)} />
        <section class="wire" aria-label="On the wire">
          <${WireList} arrows=${model.arrows} selected=${selected?.id} following=${seen.selected === null} onSelect=${select} began_ms=${began_ms} />
          <${WireDetail} arrow=${selected} />
        </section>
      </div>
    </div>`;
}

function Notices() {
  changed.value;
  const lost = !server.value.there, off = !client.value.there;
  return html`
    <div class="status" role="status">
      ${problems.map(problem => html`<p class="notice">${problem}</p>`)}
      ${lost ? html`<p class="notice">The server can't be reached. ${server.value.why} This page tries again every second.</p>`
        : NEEDS_UPGRADE && values.upgrades !== "pass" ? html`<${Blocked} />`
        : off && model.since_ms > 0 ? html`<p class="notice">Not receiving: ${client.value.why || "connecting"}. It tries again by itself.</p>`
        : values.session && html`<p>Shared as “${session}”: its messages, their rate and the network are everybody's.</p>`}
    </div>`;
}

/** What it means for this page that WebSocket does not get through. */
function Blocked() {
  if (transport === "websocket" || values.via === "websocket") return html`<p class="notice">Nothing can arrive: no WebSocket gets through this network. The page tries again and again, in vain.</p>`;
  return html`<p>No WebSocket gets through this network: Socket.IO ${values.via === "upgrade" ? "stays with polling" : "polls anyway"}, and no message is lost.</p>`;
}

function Controls() {
  const of = name => ({ name, value: values[name], onChange: value => set(name, value) });
  return html`
    <section class="controls" aria-label="Controls">
      ${transport === "short_poll" && html`<${Choice} ...${of("interval")} label="Pause" />`}
      ${transport === "long_poll" && html`<${Choice} ...${of("hold")} label="Hold up to" />`}
      ${transport === "socket_io" && html`<${Choice} ...${of("via")} label="Socket.IO" />`}
      ${NEEDS_UPGRADE && html`<${Choice} ...${of("upgrades")} label="WebSocket" />`}
      <${Choice} ...${of("rate")} label="Messages" />
      <${Choice} ...${of("delay")} label="Each way" />
      <div class="actions">
        <${Action} name="publish" label="Publish one" hotkey="P" onClick=${actions.publish} tip="The server publishes a message now. Watch how it gets here." />
        <${Action} name="cut" label="Cut" hotkey="X" onClick=${actions.cut} tip="Break this page's connections without a goodbye, as a lost network does." />
        <${Action} name="stop" label=${gate.stopped ? "Continue" : "Stop"} hotkey="Space" onClick=${actions.stopOrGo} tip="The picture stands still; the wire goes on, and what happened meanwhile waits." />
        <${Action} name="step" label="Step" hotkey="." onClick=${actions.step} tip="Show just the next thing that happened." />
      </div>
    </section>`;
}

function Live({ selected }) {
  const place = useRef();
  const [box, setBox] = useState({ width: 0, height: 0 });
  const [, tick] = useState(0);
  useEffect(() => {
    const resized = new ResizeObserver(([{ contentRect }]) => setBox({ width: Math.round(contentRect.width), height: Math.round(contentRect.height) }));
    resized.observe(place.current);
    const ticking = setInterval(() => { if (!gate.stopped && !document.hidden) tick(n => n + 1); }, calm ? 1000 : 1000 / FRAMES_HZ);
    return () => { resized.disconnect(); clearInterval(ticking); };
  }, []);
  const window_ms = span_s() * 1000;
  seen.now_ms = gate.stopped ? Math.max(seen.now_ms, model.until_ms) : now_ms();
  seen.top_ms = pageTop(seen.top_ms, seen.now_ms, window_ms);
  return html`
    <div class="ladder-place" ref=${place}>
      ${box.width > 0 && html`<${Ladder} model=${model} top_ms=${seen.top_ms} window_ms=${window_ms} now_ms=${seen.now_ms} width=${box.width} height=${box.height}
        font_px=${innerWidth >= 1600 ? 18 : innerWidth <= 900 ? 14 : 16} secret=${values.answer !== "shown"} selected=${selected} onSelect=${pick} title="Ladder diagram: browser on the left, server on the right, time running down; the list beside it has the same in words" />`}
    </div>`;
}

function Zoom() {
  changed.value;
  return html`
    <div class="zoom">
      <${Action} name="closer" label="+" hotkey="+" onClick=${() => zoom(-1)} tip="Closer: the picture spans less time." />
      <span class="span">${span_s()} s</span>
      <${Action} name="further" label="−" hotkey="-" onClick=${() => zoom(1)} tip="Further away: the picture spans more time." />
      <span class="stopped" role="status">${gate.stopped && `stopped, ${["nothing waits", "1 thing waits"][gate.waiting.length] ?? `${gate.waiting.length} things wait`}`}</span>
    </div>`;
}

function Counters() {
  const { requests, empty, connections, up, down, messages } = model.counts;
  const known = values.answer === "shown";
  const tiles = [
    ["requests", "requests", requests],
    ["empty", "empty answers", empty],
    ["connections", "connections", connections.size],
    ["messages", "messages", messages],
    ["up", "bytes up", size(up), up],
    ["down", "bytes down", size(down), down],
    ["per-message", "per message", size(model.bytesPerMessage)],
    ["delay", "last delay", ...(known ? [duration(model.delays_ms.at(-1)), model.delays_ms.at(-1)] : ["?"])],
    ["median", "median delay", ...(known ? [duration(median(model.delays_ms)), median(model.delays_ms)] : ["?"])],
  ];
  return html`
    <section class="counters" aria-label="Counters">
      <dl>${tiles.map(([name, label, value, exactly]) => html`<div><dt>${label}</dt><dd id=${`count-${name}`} data-value=${exactly ?? value}>${value}</dd></div>`)}</dl>
      <p class="hint">Counted on the socket for ${Math.max(0, (seen.now_ms - model.since_ms) / 1000).toFixed(0)} s with these settings; delays are exact to ±${duration(joined.uncertainty_ms)}.
        ${" "}<${Action} name="recount" label="Count anew" hotkey="R" onClick=${recount} tip="Set the counters to zero. They start anew by themselves when a setting changes." /></p>
    </section>`;
}

function Prediction({ settings }) {
  const [answered_s, setAnswered] = useState();
  const asked = prediction(transport, settings);
  const answer = option_s => { setAnswered(option_s); set("answer", "shown"); };
  const title = useRef();
  useEffect(() => { if (answered_s !== undefined) title.current.focus(); }, [answered_s, values.answer]); // the button is gone
  if (values.answer !== "shown") return html`<section class="prediction" aria-label="Predict"><h2 ref=${title} tabindex="-1">What do you think?</h2><${Question} prediction=${asked} onAnswer=${answer} /></section>`;
  const right = typeof answered_s !== "number" ? "" : Math.abs(answered_s - asked.answer_s) < 0.02 * asked.answer_s + 1e-9 ? "Right. " : "Not quite. ";
  return html`
    <section class="prediction" aria-label="Delays">
      <h2 ref=${title} tabindex="-1">How long messages take</h2>
      <div class="revealed">
        <${Delays} delays_ms=${model.delays_ms} formula=${expected(transport, settings)} />
        <p><strong>${right}</strong>${asked.because} Browser and server need a little time of their own on top.
          ${model.counts.ended > 0 && ` The connection was lost ${model.counts.ended === 1 ? "once" : `${model.counts.ended} times`}: what was published until it was back had to wait.`}
          ${" "}<button type="button" class="quiet" onClick=${() => set("answer", "hidden")}>Ask me again</button></p>
      </div>
    </section>`;
}

render(html`<${Page} />`, document.getElementById("live"));
showCode(document.getElementById("code"), transport);
