// A lane's track: a message starts at the left when it is published, moves as time passes, and stops where it arrived.
// It keeps its height in every lane, so that the same message can be found in all of them.
import { html } from "htm/preact";
import { shape } from "./marker.js";
import { median } from "../live/model.js";
import { sequence } from "../words/format.js";
import { beyond as beyondText, tick } from "../words/race.js";

const PAD_PX = 14;
const TICKS = 6;
const FADES_OVER = 30, FAINTEST = 0.22; // how many later messages it takes until a mark is at its faintest
const DRAWN = 300;
const GOLDEN = 0.618034; // consecutive multiples of it are far apart: neighbours in time don't cover each other

/** An axis in which `most_ms` has its place, and at least `least_ms`: { end_ms, ticks_ms }. */
export function axisFor(most_ms, least_ms = 20) {
  const wanted = Math.max(most_ms, least_ms) * 1.08;
  const power = 10 ** Math.floor(Math.log10(wanted / TICKS));
  const step = power * [1, 2, 5, 10].find(step => step * power * TICKS >= wanted);
  const ticks_ms = Array.from({ length: Math.ceil(wanted / step - 1e-9) + 1 }, (_, i) => i * step);
  return { end_ms: ticks_ms.at(-1), ticks_ms };
}

/** Where a time is, in px; one beyond the axis is at its end. */
export const scale = (axis, width) => ms => PAD_PX + Math.min(1, Math.max(0, ms / axis.end_ms)) * (width - 2 * PAD_PX);

/** The times along the axis. */
export function Axis({ axis, width }) {
  const x = scale(axis, width), inSeconds = axis.end_ms >= 1000;
  const isNarrow = width <= 420, ticks = axis.ticks_ms.filter((_, i) => !isNarrow || i % 2 === 0);
  return html`<svg class="axis" width=${width} height="26">${ticks.map(ms => html`<text x=${x(ms)} y="20" text-anchor=${isNarrow && ms === axis.end_ms ? "end" : "middle"}>${tick(ms, inSeconds)}</text>`)}</svg>`;
}

/** `shown` and `frame` are signals: they count up when what stands still, and what moves, is to be redrawn. */
export function Track({ transport, model, axis, box: { width, height }, shown, frame, now_ms, moves, title }) {
  const x = scale(axis, width), k = Math.min(11, Math.max(7, height * 0.11)) / 10;
  const y = cursor => 12 * k + ((Number(sequence(cursor)) * GOLDEN) % 1) * (height - 24 * k);
  const place = { x, y, k, d: shape(transport) };
  return html`
    <svg width=${width} height=${height} role="img" aria-label=${title}>
      ${axis.ticks_ms.map(ms => html`<line class="grid" x1=${x(ms)} x2=${x(ms)} y1="0" y2=${height} />`)}
      <${Arrived} model=${model} axis=${axis} height=${height} width=${width} place=${place} shown=${shown} />
      ${moves && html`<${Flying} model=${model} place=${place} frame=${frame} shown=${shown} now_ms=${now_ms} />`}
    </svg>`;
}

function Arrived({ model, axis, width, height, place: { x, y, k, d }, shown }) {
  shown.value;
  const marks = [...model.messages.values()].filter(({ arrived_ms, published_ms }) => arrived_ms !== null && published_ms >= model.since_ms).slice(-DRAWN);
  const beyond = marks.filter(({ arrived_ms, published_ms }) => arrived_ms - published_ms > axis.end_ms).length;
  const fade = i => Math.max(FAINTEST, 1 - (marks.length - 1 - i) / FADES_OVER).toFixed(2);
  const middle_ms = median(model.delays_ms);
  return html`
    ${marks.map(({ cursor, published_ms, arrived_ms }, i) => html`
      <path key=${cursor} class="arrived" data-cursor=${cursor} d=${d} opacity=${fade(i)} transform="translate(${x(arrived_ms - published_ms)},${y(cursor)}) scale(${k})" />`)}
    ${middle_ms <= axis.end_ms && html`<line class="median" x1=${x(middle_ms)} x2=${x(middle_ms)} y1="0" y2=${height} />`}
    ${beyond > 0 && html`<text class="beyond" x=${width - 8} y="20" text-anchor="end">${beyondText(beyond)}</text>`}`;
}

function Flying({ model, place: { x, y, k, d }, frame, shown, now_ms }) {
  frame.value, shown.value;
  const at_ms = now_ms();
  return [...model.messages.values()].filter(({ arrived_ms, published_ms }) => arrived_ms === null && published_ms >= model.since_ms).map(({ cursor, published_ms }) => html`
    <path key=${cursor} class="flying" data-cursor=${cursor} d=${d} transform="translate(${x(at_ms - published_ms)},${y(cursor)}) scale(${k})" />`);
}
