// One transport's page, live: it receives a session's messages over the transport, and draws what crossed its sockets.
import { html, render } from "htm/preact";
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { address, read } from "./live/address.js";
import { join, SETTINGS } from "./live/session.js";
import { Choice, inTheory, known, SESSION, STOPPED } from "./live/settings.js";
import { median } from "./live/model.js";
import { narrate } from "./live/narrate.js";
import { isRight, prediction } from "./live/prediction.js";
import { Ladder, pageTop } from "./draw/ladder.js";
import { WireDetail, WireList } from "./draw/wire_view.js";
import { Delays } from "./draw/delays.js";
import { Action, onKeys } from "./draw/controls.js";
import { TRANSPORTS } from "./transports/index.js";
import { duration, size } from "./words/format.js";
import { TITLE } from "./words/ladder.js";
import * as words from "./words/mode.js";
import { showCode } from "./code.js";

const FRAMES_HZ = 30;
const SPANS_S = [1, 2, 5, 10, 20, 60, 120];
const ARROWS_READABLE = 24;
const SENTENCES = 3;
const FEED_BEHIND_MS = 40; // an arrival waits this long, so that the bytes that brought it get here first
const name = document.body.dataset.transport, transport = TRANSPORTS[name];
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

const KNOWN = {
  ...known({ ...transport.settings, ...(transport.upgrade && { upgrades: "pass" }), rate: 0.5, delay: 200 }),
  seconds: { otherwise: 0, range: [0, 120] }, // 0: as many as can be read
  session: SESSION,
  stopped: { ...STOPPED, otherwise: calm ? "1" : "0" },
  answer: { otherwise: "hidden", pattern: /^(shown|hidden)$/ },
};

const { values, problems } = read(KNOWN);
const told = []; // the last sentences about what happened, { arrow (null: none), text }
let began_ms = 0; // when this page began to receive: what the list counts from
const seen = { now_ms: 0, top_ms: 0, selected: null };
const changed = signal(0); // everything drawn reads it, and is redrawn when it counts up

/** Draw again, at most once for each of the screen's frames. */
let frame = null;
function show() { frame ??= requestAnimationFrame(() => { frame = null; changed.value++; }); }

const joined = join({
  transports: [name],
  values,
  behind_ms: FEED_BEHIND_MS,
  on: {
    update(what, value, learnt, fresh) {
      if (what === "piece" && !learnt) return fresh; // of a connection whose beginning was not seen
      tell(what === "piece" ? model.arrows.at(-1).id : null, narrate(transport.words, what, value, model, values.answer !== "shown"));
      return fresh;
    },
    settings: remember,
    reset() { began_ms ||= model.since_ms; show(); },
    change() {
      if (values.stopped === "1" && !gate.stopped) remember(); // too much was waiting
      show();
    },
  },
});
const { session, gate, now_ms, server, reset } = joined;
const model = joined.models[name], client = joined.clients[name];

/** An arrow has one sentence, which may change while more of it comes. */
function tell(arrow, text) {
  if (arrow !== null && told.at(-1)?.arrow === arrow) told.pop();
  if (text) told.push({ arrow, text });
  if (told.length > SENTENCES) told.shift();
}

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
  const arrows_hz = transport.arrows_hz(inTheory(values));
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
  reset,
};
onKeys({ p: actions.publish, x: actions.cut, Space: actions.stopOrGo, ".": actions.step, r: actions.reset, "+": () => zoom(-1), "-": () => zoom(1) });
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
      <section class="picture" aria-label=${words.LADDER}><${Zoom} /><${Live} selected=${selected?.id} />
        <div class="told" role=${gate.stopped ? "status" : null}><ol>${told.toReversed().map(({ text }) => html`<li>${text}</li>`)}</ol></div></section>
      <div class="side">
        <${Counters} />
        <${Prediction} settings=${inTheory(values)} />
        <section class="wire" aria-label=${words.WIRE}>
          <${WireList} arrows=${model.arrows} selected=${selected?.id} following=${seen.selected === null} onSelect=${select} began_ms=${began_ms} />
          <${WireDetail} arrow=${selected} />
        </section>
      </div>
    </div>`;
}

function Notices() {
  changed.value;
  const blocked = transport.upgrade && values.upgrades !== "pass" && transport.words.blocked(values);
  return html`
    <div class="status" role="status">
      ${problems.map(problem => html`<p class="notice">${problem}</p>`)}
      ${!server.value.there ? html`<p class="notice">${words.unreachable(server.value.why)}</p>`
        : blocked ? html`<p class=${blocked.serious ? "notice" : ""}>${blocked.text}</p>`
        : !client.value.there && model.since_ms > 0 ? html`<p class="notice">${words.notReceiving(client.value.why)}</p>`
        : values.session && html`<p>${words.shared(session)}</p>`}
    </div>`;
}

function Controls() {
  const own = [...Object.keys(transport.settings), ...(transport.upgrade ? ["upgrades"] : []), "rate", "delay"];
  return html`
    <section class="controls" aria-label=${words.CONTROLS}>
      ${own.map(name => html`<${Choice} key=${name} name=${name} value=${values[name]} onChange=${value => set(name, value)} />`)}
      <div class="actions">
        <${Action} name="publish" label=${words.PUBLISH} hotkey="P" onClick=${actions.publish} tip=${words.PUBLISH_TIP} />
        <${Action} name="cut" label=${words.CUT} hotkey="X" onClick=${actions.cut} tip=${words.CUT_TIP} />
        <${Action} name="stop" label=${gate.stopped ? words.CONTINUE : words.STOP} hotkey="Space" onClick=${actions.stopOrGo} tip=${words.STOP_TIP} />
        <${Action} name="step" label=${words.STEP} hotkey="." onClick=${actions.step} tip=${words.STEP_TIP} />
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
        font_px=${innerWidth >= 1600 ? 18 : innerWidth <= 900 ? 14 : 16} secret=${values.answer !== "shown"} selected=${selected} onSelect=${pick} title=${TITLE} />`}
    </div>`;
}

function Zoom() {
  changed.value;
  return html`
    <div class="zoom">
      <${Action} name="closer" label="+" hotkey="+" onClick=${() => zoom(-1)} tip=${words.CLOSER_TIP} />
      <span class="span">${words.span(span_s())}</span>
      <${Action} name="further" label="−" hotkey="-" onClick=${() => zoom(1)} tip=${words.FURTHER_TIP} />
      <span class="stopped" role="status">${gate.stopped && words.stopped(gate.waiting.length)}</span>
    </div>`;
}

function Counters() {
  const { requests, empty, connections, up, down, setup, messages } = model.counts;
  const secret = values.answer !== "shown";
  const delay = ms => (secret ? [words.SECRET] : [duration(ms), ms]);
  const tiles = [
    ["requests", requests],
    ["empty", empty],
    ["connections", connections.size],
    ["messages", messages],
    ["up", size(up), up],
    ["down", size(down), down],
    ["per-message", size(model.bytesPerMessage)],
    ["delay", ...delay(model.delays_ms.at(-1))],
    ["median", ...delay(median(model.delays_ms))],
  ];
  const over_s = Math.round(Math.max(0, (seen.now_ms - model.since_ms) / 1000));
  return html`
    <section class="counters" aria-label=${words.COUNTERS}>
      <dl>${tiles.map(([name, value, exactly]) => html`<div><dt>${words.TILES[name]}</dt><dd id=${`count-${name}`} data-value=${exactly ?? value}>${value}</dd></div>`)}</dl>
      <p class="hint" data-setup=${setup}>${words.counted({ over_s, setup, uncertainty_ms: joined.uncertainty_ms })}
        ${" "}<${Action} name="reset" label=${words.RESET} hotkey="R" onClick=${reset} tip=${words.RESET_TIP} /></p>
    </section>`;
}

function Prediction({ settings }) {
  const [guessed_s, setGuess] = useState();
  const { options_s, right_s } = prediction(transport, settings), expected = transport.expected(settings);
  const guess = option_s => { setGuess(option_s); set("answer", "shown"); };
  const title = useRef();
  useEffect(() => { if (guessed_s !== undefined) title.current.focus(); }, [guessed_s, values.answer]); // the button is gone
  if (values.answer !== "shown") return html`
    <section class="prediction" aria-label=${words.PREDICT}>
      <h2 ref=${title} tabindex="-1">${words.GUESS}</h2>
      <p>${transport.words.question(settings)}</p>
      <p class="options">
        ${options_s.map(option_s => html`<button type="button" onClick=${() => guess(option_s)}>${words.option(option_s)}</button>`)}
        <button type="button" class="quiet" onClick=${() => guess(null)}>${words.JUST_SHOW}</button>
      </p>
    </section>`;
  return html`
    <section class="prediction" aria-label=${words.DELAYS}>
      <h2 ref=${title} tabindex="-1">${words.HOW_LONG}</h2>
      <div class="revealed">
        <${Delays} delays_ms=${model.delays_ms} formula=${expected} />
        <p>${typeof guessed_s === "number" && html`<strong>${isRight(guessed_s, right_s) ? words.RIGHT : words.WRONG}</strong> `}${transport.words.because(settings, expected)} ${words.ON_TOP}
          ${model.counts.ended > 0 && ` ${words.lost(model.counts.ended)}`}
          ${" "}<button type="button" class="quiet" onClick=${() => set("answer", "hidden")}>${words.ASK_AGAIN}</button></p>
      </div>
    </section>`;
}

render(html`<${Page} />`, document.getElementById("live"));
showCode(document.getElementById("code"), name);
