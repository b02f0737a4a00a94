// The race: one stream of messages, and every transport brings it to this page, each in a lane of its own.
import { html, render } from "htm/preact";
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { address, read } from "./live/address.js";
import { CLIENTS } from "./clients/index.js";
import { Action, onKeys } from "./draw/controls.js";
import { PALETTE, shape } from "./draw/marker.js";
import { DELAYS_KEPT, median } from "./live/model.js";
import { join } from "./live/session.js";
import { Choice, inTheory, known, SESSION, STOPPED } from "./live/settings.js";
import { expected } from "./theory.js";
import { Axis, axisFor, Track } from "./draw/track.js";
import { verdict } from "./words/verdict.js";
import { capital, duration, size } from "./words/format.js";

const FRAMES_HZ = 30;
const SHOWN_HZ = 8; // figures and marks
const SAID_HZ = 1; // the sentence, which somebody may be reading
const TRANSPORTS = Object.keys(CLIENTS);
const motion = matchMedia("(prefers-reduced-motion: reduce)");

const KNOWN = { ...known({ interval: 2, hold: 25, rate: 1, delay: 200 }), session: SESSION, stopped: STOPPED };

const { values, problems } = read(KNOWN);
const frame = signal(0), shown = signal(0), chosen = signal(0); // counted up when what moves, what stands, and the settings are drawn again
const said = signal("");
const seen = { now_ms: 0 };
let tally, changed = true;
const last = []; // what was lost, and when: the last of it is said

function begin() {
  tally = { published: 0, lanes: Object.fromEntries(TRANSPORTS.map(transport => [transport, { received: 0, gone: 0, missed: 0 }])) };
}
begin();

const joined = join({
  transports: TRANSPORTS,
  values,
  on: {
    news(what, value) {
      const since_ms = joined.models[TRANSPORTS[0]].since_ms;
      if (what === "published") tally.published += value.published_ms >= since_ms;
      else if (what === "arrived") tally.lanes[value.transport].received += value.message.published_ms >= since_ms;
      else if (what === "mark") learnMark(value);
      else return false;
      if (joined.gate.stopped) seen.now_ms = Math.max(seen.now_ms, value.at_ms ?? value.published_ms);
      return true;
    },
    settings() { remember(); },
    recount() { begin(); show(); },
    change() { changed = true; },
  },
});
const { gate, models, clients, server } = joined;

/** The latest thing that went wrong is said for as long as it is news. */
function learnMark({ text, transport, at_ms, missed }) {
  const isOld = missed?.reason === "restarted"; // the server's restart is said once, not by every lane
  if (!isOld) last.push({ at_ms, text: transport ? `${PALETTE[transport].title}: ${text}` : capital(text) });
  if (last.length > 3) last.shift();
  if (!missed) return;
  tally.lanes[transport].missed += missed.number ?? missed.awaited;
  tally.lanes[transport].gone += missed.awaited;
}

/** Everything that the lanes and the sentence say, of each transport. */
function standings() {
  return TRANSPORTS.map(transport => {
    const { counts, delays_ms, bytesPerMessage } = models[transport], { received, gone, missed } = tally.lanes[transport];
    return {
      transport, received, missed, bytesPerMessage,
      title: PALETTE[transport].title,
      aside: transport === "short_poll" ? `pause ${values.interval} s` : "",
      median_ms: median(delays_ms),
      waiting: Math.max(0, tally.published - received - gone),
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
  const over_s = Math.max(0, (seen.now_ms - models[TRANSPORTS[0]].since_ms) / 1000);
  said.value = verdict({ over_s, published: tally.published, kept: DELAYS_KEPT, lanes: standings() });
}

function remember() { history.replaceState(null, "", address(KNOWN, values)); chosen.value++; show(); }
function set(name, value) { joined.set(name, value); remember(); }

const actions = {
  publish() { joined.publish(); },
  stopOrGo() { gate.stopped ? gate.go() : stop(); noteStopped(); },
  step() { gate.stopped ? gate.step() : stop(); noteStopped(); },
  recount() { joined.recount(); },
};
function stop() { gate.stop(); seen.now_ms = joined.now_ms(); }
function noteStopped() { values.stopped = gate.stopped ? "1" : "0"; remember(); }
onKeys({ p: actions.publish, Space: actions.stopOrGo, ".": actions.step, r: actions.recount });
if (values.stopped === "1") gate.stop();

// The clocks of this page: what moves, what stands, and what is said.
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
setInterval(() => { if (!gate.stopped) say(); }, 1000 / SAID_HZ);

function Page() {
  return html`
    <${Controls} />
    <${Bar} />
    <${Lanes} />
    <p class="verdict" id="verdict">${said}</p>
    <${Announced} />`;
}

/** The sentence, for those who listen: when the picture stands still, and not every second. */
function Announced() {
  shown.value;
  return html`<p class="hidden" aria-live="polite">${gate.stopped ? said.value : ""}</p>`;
}

function Controls() {
  chosen.value;
  const of = name => ({ name, value: values[name], onChange: value => set(name, value) });
  return html`
    <section class="controls" aria-label="Settings">
      <${Choice} ...${of("interval")} label="Short polls pause" />
      <${Choice} ...${of("hold")} label="Long polls hold" />
      <${Choice} ...${of("rate")} label="Messages" more="Every lane gets the same ones." />
      <${Choice} ...${of("delay")} label="Each way" />
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
      <label for="session">Shared session</label>
      <input type="text" id="session" defaultValue=${values.session} onChange=${join} placeholder="only this page" maxlength="24" pattern="[a-z0-9][a-z0-9\\-]*" title="a to z, 0 to 9 and -"
        autocomplete="off" autocapitalize="none" spellcheck=${false} aria-describedby="session-tip" />
      <span class="tip" role="tooltip" id="session-tip">Pages with the same name here see the same messages: then the rate and the network are everybody's.</span>
    </div>`;
}

function Bar() {
  shown.value;
  return html`
    <section class="bar" aria-label="Actions">
      <div class="actions">
        <${Action} name="publish" label="Publish one" hotkey="P" onClick=${actions.publish} tip="The server publishes a message now. Watch who gets it when." />
        <${Action} name="stop" label=${gate.stopped ? "Continue" : "Freeze"} hotkey="Space" onClick=${actions.stopOrGo} tip="The picture stands still; the race goes on, and what happens meanwhile waits." />
        <${Action} name="step" label="Step" hotkey="." onClick=${actions.step} tip="Show just the next thing that happened: a message is published, or it arrives in a lane." />
        <${Action} name="recount" label="Count anew" hotkey="R" onClick=${actions.recount} tip="Start the comparison again. It starts anew by itself when a setting changes." />
      </div>
      <div class="status" role="status"><${Status} /></div>
    </section>`;
}

const RECENT_MS = 15_000;

function Status() {
  shown.value;
  const off = TRANSPORTS.filter(transport => !clients[transport].value.there && clients[transport].value.why);
  const recent = last.filter(({ at_ms }) => at_ms > seen.now_ms - RECENT_MS).map(({ text }) => text);
  if (!server.value.there) return html`<p class="notice">The server can't be reached; trying again every second. ${server.value.why}</p>`;
  return html`
    ${problems.map(problem => html`<p class="notice">${problem}</p>`)}
    ${off.length > 0 && html`<p class="notice">Not receiving: ${off.map(transport => PALETTE[transport].title).join(", ")}. It tries again by itself.</p>`}
    ${recent.length > 0 && html`<p class="notice">${recent.at(-1)}</p>`}
    ${gate.stopped ? html`<p><strong>Frozen.</strong> Step shows what came next.</p>`
      : !problems.length && !off.length && !recent.length && html`<p>Live${values.session ? html`, shared as “${values.session}”` : ""}. Delays are exact to ±${duration(joined.uncertainty_ms)}.</p>`}`;
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
  const axis = axisFor(1000 * Math.max(...TRANSPORTS.map(transport => expected(transport, inTheory(values)).most_s)));
  return html`
    <div class="lanes" ref=${place}>
      <div class="heads" aria-hidden="true">
        <span class="what">since it was published</span><${Axis} axis=${axis} width=${box.width} /><span>median delay</span><span>bytes per message</span><span>requests (empty)</span>
      </div>
      ${standings().map(standing => html`<${Lane} key=${standing.transport} standing=${standing} axis=${axis} box=${box} />`)}
    </div>`;
}

function Lane({ standing, axis, box }) {
  const { transport, title, median_ms, received, waiting, missed, bytes, bytesPerMessage, requests, empty } = standing;
  const client = clients[transport].value, model = models[transport];
  const figures = [
    ["median", "median delay", duration(median_ms), median_ms],
    ["bytes", "bytes per message", size(bytesPerMessage), bytesPerMessage],
    ["requests", "requests (empty)", html`${requests} <small>(${empty})</small>`, `${requests} ${empty}`],
  ];
  return html`
    <section class="lane" data-transport=${transport} aria-label=${title} data-received=${received} data-waiting=${waiting} data-missed=${missed} data-bytes=${bytes}>
      <div class="who">
        <h2><${Icon} transport=${transport} /> <a href=${`/modes/${transport.replaceAll("_", "-")}`}>${title}</a></h2>
        ${client.why && !client.there ? html`<p class="notice">lost: trying again</p>` : html`<p>${received} of ${received + waiting} here${missed ? html`, <strong>${missed} missed</strong>` : ""}</p>`}
      </div>
      <div class="track">
        ${box.width > 0 && html`<${Track} transport=${transport} model=${model} axis=${axis} box=${box} shown=${shown} frame=${frame} now_ms=${gate.stopped ? () => seen.now_ms : joined.now_ms} moves=${!motion.matches}
          title=${`${title}: ${received} of ${received + waiting} messages are here, ${duration(median_ms)} in the median`} />`}
      </div>
      <dl>${figures.map(([name, label, value, exactly]) => html`<div><dt>${label}</dt><dd class=${`figure-${name}`} data-value=${exactly}>${value}</dd></div>`)}</dl>
    </section>`;
}

function Icon({ transport }) {
  return html`<svg class="mark-icon" viewBox="-10 -10 20 20" aria-hidden="true"><path d=${shape(transport)} /></svg>`;
}

render(html`<${Page} />`, document.getElementById("race"));
