// The race: one stream of messages, and every transport brings it to this page, each in a lane of its own.
import { html, render } from "htm/preact";
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { address, read } from "./live/address.js";
import { Action, onKeys } from "./draw/controls.js";
import { PALETTE, shape } from "./draw/marker.js";
import { DELAYS_KEPT, median } from "./live/model.js";
import { join } from "./live/session.js";
import { Choice, inTheory, known, SESSION, STOPPED } from "./live/settings.js";
import { Axis, axisFor, Track } from "./draw/track.js";
import { TRANSPORTS } from "./transports/index.js";
import { duration, size } from "./words/format.js";
import { markOf, markSentence } from "./words/marks.js";
import * as words from "./words/race.js";
import { verdict } from "./words/verdict.js";

const FRAMES_HZ = 30;
const SHOWN_HZ = 8; // figures and marks
const SENTENCE_HZ = 1; // the sentence, which somebody may be reading
const NAMES = Object.keys(TRANSPORTS);
const motion = matchMedia("(prefers-reduced-motion: reduce)");

const KNOWN = { ...known({ pause: 2, hold: 25, rate: 1, delay: 200 }), session: SESSION, stopped: STOPPED };

const { values, problems } = read(KNOWN);
const frame = signal(0), shown = signal(0), chosen = signal(0); // they count up when what moves, what stands still, and the settings are to be redrawn
const said = signal("");
const seen = { now_ms: 0 };
let tally, changed = true;
const last = []; // what else happened, and when: the last of it is shown

function begin() {
  tally = { published: 0, lanes: Object.fromEntries(NAMES.map(transport => [transport, { received: 0, gone: 0, missed: 0 }])) };
}
begin();

const joined = join({
  transports: NAMES,
  values,
  on: {
    update(what, value) {
      const since_ms = joined.models[NAMES[0]].since_ms;
      if (what === "published") tally.published += value.published_ms >= since_ms;
      else if (what === "arrived") tally.lanes[value.transport].received += value.message.published_ms >= since_ms;
      else if (what === "mark") learnMark(value);
      else return false;
      if (joined.gate.stopped) seen.now_ms = Math.max(seen.now_ms, value.at_ms ?? value.published_ms);
      return true;
    },
    settings() { remember(); },
    reset() { begin(); show(); },
    change() { changed = true; },
  },
});
const { gate, models, clients, server } = joined;

/** The latest thing that happened is shown for as long as it is recent. */
function learnMark(mark) {
  const { transport, at_ms, missed } = mark;
  const isOld = missed?.reason === "restarted"; // the server's restart is shown once, not by every lane
  if (!isOld) last.push({ at_ms, text: transport ? markOf(PALETTE[transport].title, mark) : markSentence(mark) });
  if (last.length > 3) last.shift();
  if (!missed) return;
  tally.lanes[transport].missed += missed.number ?? missed.awaited;
  tally.lanes[transport].gone += missed.awaited;
}

/** Everything that the lanes and the sentence say, of each transport. */
function standings() {
  return NAMES.map(transport => {
    const { counts, delays_ms, bytesPerMessage } = models[transport], { received, gone, missed } = tally.lanes[transport];
    return {
      transport, received, missed,
      title: PALETTE[transport].title,
      aside: TRANSPORTS[transport].words.aside(values),
      median_ms: median(delays_ms),
      waiting: Math.max(0, tally.published - received - gone),
      perMessage: bytesPerMessage,
      setup: counts.setup,
      bytes: counts.up + counts.down,
      requests: counts.requests,
      empty: counts.empty,
    };
  });
}

/** Draw everything as it is now. */
function show() {
  changed = false;
  shown.value++;
  say();
}

function say() {
  const over_s = Math.max(0, (seen.now_ms - models[NAMES[0]].since_ms) / 1000);
  said.value = verdict({ over_s, published: tally.published, kept: DELAYS_KEPT, lanes: standings() });
}

function remember() { history.replaceState(null, "", address(KNOWN, values)); chosen.value++; show(); }
function set(name, value) { joined.set(name, value); remember(); }

const actions = {
  publish() { joined.publish(); },
  stopOrGo() { gate.stopped ? gate.go() : stop(); noteStopped(); },
  step() { gate.stopped ? gate.step() : stop(); noteStopped(); },
  reset() { joined.reset(); },
};
function stop() { gate.stop(); seen.now_ms = joined.now_ms(); }
function noteStopped() { values.stopped = gate.stopped ? "1" : "0"; remember(); }
onKeys({ p: actions.publish, Space: actions.stopOrGo, ".": actions.step, r: actions.reset });
if (values.stopped === "1") gate.stop();

// Three clocks: for what moves, for figures and marks, and for the sentence.
let drawn_ms = 0;
requestAnimationFrame(function draw(at_ms) {
  requestAnimationFrame(draw);
  if (gate.stopped || motion.matches || at_ms - drawn_ms < 0.9 * 1000 / FRAMES_HZ) return;
  drawn_ms = at_ms;
  frame.value++;
});
setInterval(() => {
  if (values.stopped === "1" && !gate.stopped) noteStopped(); // the gate opens by itself when too much waits
  if (!gate.stopped) seen.now_ms = joined.now_ms();
  if (changed) { changed = false; shown.value++; }
}, 1000 / SHOWN_HZ);
setInterval(() => { if (!gate.stopped) say(); }, 1000 / SENTENCE_HZ);

function Page() {
  return html`
    <${Controls} />
    <${Bar} />
    <${Lanes} />
    <p class="verdict" id="verdict">${said}</p>
    <${Announced} />`;
}

/** The sentence for screen readers: when the picture stands still, and not every second. */
function Announced() {
  shown.value;
  return html`<p class="hidden" aria-live="polite">${gate.stopped ? said.value : ""}</p>`;
}

function Controls() {
  chosen.value;
  return html`
    <section class="controls" aria-label=${words.SETTINGS}>
      ${Object.entries(words.CHOICES).map(([name, { label, tip }]) => html`<${Choice} key=${name} name=${name} label=${label} tip=${tip} value=${values[name]} onChange=${value => set(name, value)} />`)}
      <${SessionName} />
    </section>`;
}

function SessionName() {
  const join = event => {
    if (event.target.value === values.session) return;
    if (event.target.reportValidity()) location.assign(address(KNOWN, { ...values, session: event.target.value }));
  };
  return html`
    <div class="control tipped session">
      <label for="session">${words.SESSION}</label>
      <input type="text" id="session" defaultValue=${values.session} onChange=${join} placeholder=${words.SESSION_HINT} maxlength="24" pattern="[a-z0-9][a-z0-9\\-]*" title=${words.SESSION_TITLE}
        autocomplete="off" autocapitalize="none" spellcheck=${false} aria-describedby="session-tip" />
      <span class="tip" role="tooltip" id="session-tip">${words.SESSION_TIP}</span>
    </div>`;
}

function Bar() {
  shown.value;
  return html`
    <section class="bar" aria-label=${words.ACTIONS}>
      <div class="actions">
        <${Action} name="publish" label=${words.PUBLISH} hotkey="P" onClick=${actions.publish} tip=${words.PUBLISH_TIP} />
        <${Action} name="stop" label=${gate.stopped ? words.CONTINUE : words.FREEZE} hotkey="Space" onClick=${actions.stopOrGo} tip=${words.FREEZE_TIP} />
        <${Action} name="step" label=${words.STEP} hotkey="." onClick=${actions.step} tip=${words.STEP_TIP} />
        <${Action} name="reset" label=${words.RESET} hotkey="R" onClick=${actions.reset} tip=${words.RESET_TIP} />
      </div>
      <div class="status" role="status"><${Status} /></div>
    </section>`;
}

const RECENT_MS = 15_000;

function Status() {
  shown.value;
  const off = NAMES.filter(transport => !clients[transport].value.there && clients[transport].value.why);
  const recent = last.filter(({ at_ms }) => at_ms > seen.now_ms - RECENT_MS).map(({ text }) => text);
  if (!server.value.there) return html`<p class="notice">${words.unreachable(server.value.why)}</p>`;
  const calm = values.session ? words.liveShared(values.session, joined.uncertainty_ms) : words.live(joined.uncertainty_ms);
  return html`
    ${problems.map(problem => html`<p class="notice">${problem}</p>`)}
    ${off.length > 0 && html`<p class="notice">${words.notReceiving(off.map(transport => PALETTE[transport].title))}</p>`}
    ${recent.length > 0 && html`<p class="notice">${recent.at(-1)}</p>`}
    ${gate.stopped ? html`<p><strong>${words.FROZEN}</strong> ${words.FROZEN_MORE}</p>` : !problems.length && !off.length && !recent.length && html`<p>${calm}</p>`}`;
}

function Lanes() {
  shown.value;
  const place = useRef();
  const [box, setBox] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const track = place.current.querySelector(".track");
    const resized = new ResizeObserver(([{ contentRect: { width, height } }]) => setBox({ width: Math.round(width), height: Math.round(height) }));
    resized.observe(track);
    return () => resized.disconnect();
  }, []);
  const axis = axisFor(1000 * Math.max(...NAMES.map(transport => TRANSPORTS[transport].expected(inTheory(values)).most_s)));
  return html`
    <div class="lanes" ref=${place}>
      <div class="heads" aria-hidden="true">
        <span class="what">${words.SINCE}</span><${Axis} axis=${axis} width=${box.width} /><span>${words.MEDIAN}</span><span>${words.BYTES} <small>${words.SETUP}</small></span><span>${words.REQUESTS} <small>${words.EMPTY}</small></span>
      </div>
      ${standings().map(standing => html`<${Lane} key=${standing.transport} standing=${standing} axis=${axis} box=${box} />`)}
    </div>`;
}

function Lane({ standing, axis, box }) {
  const { transport, title, median_ms, received, waiting, missed, bytes, perMessage, setup, requests, empty } = standing;
  const client = clients[transport].value, model = models[transport];
  const figures = [
    ["median", words.MEDIAN, duration(median_ms), median_ms],
    ["bytes", `${words.BYTES} ${words.SETUP}`, html`${size(perMessage)}${setup > 0 && html` <small>(${size(setup)})</small>`}`, perMessage],
    ["requests", `${words.REQUESTS} ${words.EMPTY}`, html`${requests} <small>(${empty})</small>`, `${requests} ${empty}`],
  ];
  return html`
    <section class="lane" data-transport=${transport} aria-label=${title} data-received=${received} data-waiting=${waiting} data-missed=${missed} data-bytes=${bytes} data-setup=${setup}>
      <div class="who">
        <h2><${Icon} transport=${transport} /> <a href=${`/modes/${transport.replaceAll("_", "-")}`}>${title}</a></h2>
        ${client.why && !client.there ? html`<p class="notice">${words.RECONNECTING}</p>` : html`<p>${words.here(received, received + waiting)}${missed ? html`, <strong>${words.missed(missed)}</strong>` : ""}</p>`}
      </div>
      <div class="track">
        ${box.width > 0 && html`<${Track} transport=${transport} model=${model} axis=${axis} box=${box} shown=${shown} frame=${frame} now_ms=${gate.stopped ? () => seen.now_ms : joined.now_ms} moves=${!motion.matches}
          title=${words.lane({ title, received, published: received + waiting, median_ms })} />`}
      </div>
      <dl>${figures.map(([name, label, value, exactly]) => html`<div><dt>${label}</dt><dd class=${`figure-${name}`} data-value=${exactly}>${value}</dd></div>`)}</dl>
    </section>`;
}

function Icon({ transport }) {
  return html`<svg class="mark-icon" viewBox="-10 -10 20 20" aria-hidden="true"><path d=${shape(transport)} /></svg>`;
}

render(html`<${Page} />`, document.getElementById("race"));
