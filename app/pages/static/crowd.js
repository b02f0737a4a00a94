// The crowd: one message for many readers, in two lanes. In one, the server has a task for each reader; in the other, a hub for all.
import { html, render } from "htm/preact";
import { signal } from "@preact/signals";
import hljs from "highlight.js";
import python from "highlight.js/languages/python";
import { useEffect, useRef, useState } from "preact/hooks";
import { address, read } from "./live/address.js";
import { randomName } from "./live/feed.js";
import { Crowd, Ended } from "./crowd/crowd.js";
import { Curve } from "./crowd/curve.js";
import { FAN_OUTS, findings, longest_ms } from "./crowd/rounds.js";
import { Action, onKeys, Select } from "./draw/controls.js";
import { PALETTE } from "./draw/marker.js";
import { Axis, axisFor } from "./draw/track.js";
import * as words from "./words/crowd.js";
import { duration } from "./words/format.js";

const READERS = ["10", "50", "200"], TRANSPORTS = ["sse", "websocket"];
const KNOWN = {
  readers: { otherwise: "200", pattern: new RegExp(`^(${READERS.join("|")})$`) },
  over: { otherwise: "websocket", pattern: new RegExp(`^(${TRANSPORTS.join("|")})$`) },
};
const QUIET_MS = 150; // before each message, so that nothing of the one before is still going on
const SWEEP_MS = 3000, SWEEP_KEEPING_MS = 900; // how long it takes to show what happened, in slow motion
const LEAST_MS = 1; // the shortest axis
const ROUNDS_KEPT = 500;
const motion = matchMedia("(prefers-reduced-motion: reduce)");

const { values, problems } = read(KNOWN);
const drawn = signal(0), said = signal(words.NO_MESSAGE);
const show = () => { drawn.value++; };
const page = randomName();
const crowds = FAN_OUTS.map(fanOut => new Crowd(fanOut, page, show, lose));

let rounds = []; // { tasks, hub } as the readers report them
let made = 0; // messages, to number them
let measuring = null; // the round that goes on: a promise
let stage = "idle"; // of it: connecting, publishing
let connected = ""; // the settings that the readers have
let trouble = ""; // why the readers have gone
let keeping = false, looping = false; // publishing again and again
let sweep = null; // the slow motion: { at_ms of the axis, times slower, finish() }
let swept = null; // its end: a promise

const readers = () => Number(values.readers);
const settings = () => `${values.readers} ${values.over}`;
const wait = ms => new Promise(done => setTimeout(done, ms));

/** Publish a message in each lane, one after the other, and show what their readers report. */
async function measure() {
  const before = rounds;
  trouble = "";
  try {
    if (connected !== settings() || crowds.some(crowd => !crowd.readers)) await connect();
    stage = "publishing";
    made++;
    const round = {};
    for (const crowd of rounds.length % 2 ? [...crowds].reverse() : crowds) round[crowd.fanOut] = await publish(crowd);
    if (rounds !== before) return; // reset meanwhile
    rounds = [...rounds, round].slice(-ROUNDS_KEPT);
    swept = inSlowMotion();
  } catch (problem) {
    if (!(problem instanceof Ended)) throw problem;
    trouble = problem.why;
    keeping = false;
    leave();
  } finally {
    stage = "idle";
    if (connected !== settings()) leave();
    show();
  }
}

/** The first message that readers get takes longer than any other: it is not counted. */
async function connect() {
  stage = "connecting";
  show();
  connected = settings();
  for (const crowd of crowds) await crowd.open(readers(), values.over);
  for (const crowd of crowds) await publish(crowd);
}

async function publish(crowd) {
  await wait(QUIET_MS);
  return crowd.publish(words.publishedToAll(made));
}

/** Readers are lost while nothing was expected of them; in a round, the round ends. */
function lose(why) {
  if (measuring) return;
  trouble = why;
  leave();
}

function leave() {
  connected = "";
  for (const crowd of crowds) crowd.close();
}

const axis = () => axisFor(longest_ms(rounds), LEAST_MS);

/** Show the last round as it went, both lanes at once, on an axis that takes some seconds; then say what was seen. */
async function inSlowMotion() {
  const begun_ms = performance.now(), { end_ms } = axis(), all_ms = keeping ? SWEEP_KEEPING_MS : SWEEP_MS;
  const passed = new Promise(finish => { sweep = { at_ms: 0, slower: all_ms / end_ms, finish }; });
  const mine = sweep;
  const draw = now_ms => {
    if (sweep !== mine) return;
    mine.at_ms = (end_ms * (now_ms - begun_ms)) / all_ms;
    show();
    if (mine.at_ms < end_ms) requestAnimationFrame(draw);
    else mine.finish();
  };
  if (!motion.matches) requestAnimationFrame(draw);
  else if (keeping) setTimeout(mine.finish, SWEEP_KEEPING_MS);
  else mine.finish();
  if (motion.matches) Object.assign(mine, { at_ms: Infinity, slower: 1 });
  await passed;
  sweep = null;
  if (rounds.length) said.value = words.verdict(findings(rounds, readers()));
  show();
}

/** The next round, or the one that goes on. */
async function round() {
  sweep?.finish();
  await swept;
  await (measuring ??= measure().finally(() => { measuring = null; }));
}

const actions = {
  publish() { if (!keeping && !measuring) round(); },
  async keep() {
    keeping = !keeping;
    show();
    if (looping) return;
    looping = true;
    while (keeping) {
      await round();
      await swept;
    }
    looping = false;
  },
  reset() {
    rounds = [];
    said.value = words.NO_MESSAGE;
    sweep?.finish();
    show();
  },
};
onKeys({ p: actions.publish, Space: actions.keep, r: actions.reset });

function set(name, value) {
  values[name] = value;
  history.replaceState(null, "", address(KNOWN, values));
  actions.reset();
  if (!measuring) leave(); // or when it has ended
}

function Page() {
  drawn.value;
  return html`
    <section class="bar" aria-label=${words.ACTIONS}>
      <${Select} name="readers" ...${words.READERS} value=${values.readers} options=${READERS.map(number => [number, number])} onChange=${value => set("readers", value)} />
      <${Select} name="over" ...${words.OVER} value=${values.over} options=${TRANSPORTS.map(name => [name, PALETTE[name].title])} onChange=${value => set("over", value)} />
      <div class="actions">
        <${Action} name="publish" label=${words.PUBLISH} hotkey="P" onClick=${actions.publish} tip=${words.PUBLISH_TIP} />
        <${Action} name="keep" label=${keeping ? words.STOP : words.KEEP} hotkey="Space" onClick=${actions.keep} tip=${words.KEEP_TIP} />
        <${Action} name="reset" label=${words.RESET} hotkey="R" onClick=${actions.reset} tip=${words.RESET_TIP} />
      </div>
      <div class="status" role="status"><${Status} /></div>
    </section>
    <${Lanes} />
    <p class="verdict" id="verdict">${said}</p>
    <p class="hidden" aria-live="polite">${keeping ? "" : said}</p>`;
}

function Status() {
  drawn.value;
  const lost = crowds.some(crowd => crowd.there === false), known = crowds.every(crowd => crowd.there);
  return html`
    ${problems.map(problem => html`<p class="notice">${problem}</p>`)}
    ${trouble && !lost && html`<p class="notice">${words.ENDED[trouble]}</p>`}
    ${lost ? html`<p class="notice">${words.UNREACHABLE}</p>`
      : !known ? html`<p>${words.TO_SERVER}</p>`
      : stage === "connecting" ? html`<p>${words.connecting(readers())}</p>`
      : sweep && !keeping && sweep.slower > 1 ? html`<p>${words.slower(Math.round(sweep.slower))}</p>`
      : connected ? html`<p>${words.connected(readers())}</p>`
      : !trouble && !problems.length && html`<p>${words.NOBODY}</p>`}`;
}

function Lanes() {
  drawn.value;
  const place = useRef();
  const [box, setBox] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const resized = new ResizeObserver(([{ contentRect: { width, height } }]) => setBox({ width: Math.round(width), height: Math.round(height) }));
    resized.observe(place.current.querySelector(".track"));
    return () => resized.disconnect();
  }, []);
  const found = rounds.length ? findings(rounds, readers()) : null;
  return html`
    <div class="lanes" ref=${place} data-transport=${values.over} data-stage=${sweep ? "sweeping" : stage}>
      <div class="heads" aria-hidden="true">
        <span class="what">${words.SINCE}</span><${Axis} axis=${axis()} width=${box.width} /><span>${words.HALF}</span><span>${words.LAST}</span><span>${words.MEDIAN}</span>
      </div>
      ${FAN_OUTS.map(fanOut => html`<${Lane} key=${fanOut} fanOut=${fanOut} found=${found?.[fanOut]} box=${box} />`)}
    </div>`;
}

function Lane({ fanOut, found, box }) {
  const { title, aside } = words.LANES[fanOut];
  const delays_ms = rounds.at(-1)?.[fanOut].delays_ms ?? [], until_ms = sweep?.at_ms ?? Infinity;
  const number = delays_ms.filter(ms => ms <= until_ms).length;
  const seen = ms => (ms <= until_ms ? ms : NaN);
  const half_ms = seen(found?.half_ms), last_ms = seen(found?.last_ms), median_ms = sweep && rounds.length === 1 ? NaN : found?.median_ms;
  const shown = [["half", words.HALF, half_ms], ["last", words.LAST, last_ms], ["median", words.MEDIAN, median_ms]];
  return html`
    <section class="lane" aria-label=${title} data-lane=${fanOut} data-have=${number} data-messages=${rounds.length}>
      <div class="who">
        <h2>${title}</h2>
        <p>${aside}</p>
        <p>${words.have(number, readers())}</p>
      </div>
      <div class="track">
        ${box.width > 0 && html`<${Curve} delays_ms=${delays_ms} earlier=${rounds.slice(0, -1).map(round => round[fanOut].delays_ms)} readers=${readers()} transport=${values.over} axis=${axis()} box=${box}
          median_ms=${median_ms} until_ms=${until_ms} title=${words.lane({ title, readers: readers(), number, half_ms, last_ms })} />`}
      </div>
      <dl>${shown.map(([name, label, ms]) => html`<div><dt>${label}</dt><dd class=${`figure-${name}`} data-value=${ms}>${duration(ms)}${name === "median" && rounds.length > 0 && html` <small>${words.over(rounds.length)}</small>`}</dd></div>`)}</dl>
    </section>`;
}

hljs.registerLanguage("python", python);
for (const code of document.querySelectorAll("pre code")) code.innerHTML = hljs.highlight(code.textContent, { language: "python" }).value; // it escapes its input

render(html`<${Page} />`, document.getElementById("crowd"));
