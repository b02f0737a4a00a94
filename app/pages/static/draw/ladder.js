// The ladder diagram: the browser on the left, the server on the right, time running down. Each arrow is what crossed
// the socket, its slope the delay on the way; a hollow dot is where a message was published, a filled one where the
// browser got it; a bar on the server's line is a request that it holds, or a response that is still open.
import { html } from "htm/preact";
import { boxOf, fitted, labels, overlap, widthOf } from "./labels.js";
import { label } from "../words/arrows.js";
import { sequence } from "../words/format.js";
import * as words from "../words/ladder.js";
import { markLabel } from "../words/marks.js";

const LABEL_GAP_PX = 21;
const JUMP_AT = 0.92, JUMP_TO = 0.4; // when the present nears the bottom, the picture jumps up, and stands still again

/** Where the picture begins in time so that `now_ms` is in it; moves only when it must. */
export function pageTop(top_ms, now_ms, window_ms) {
  const outside = now_ms > top_ms + JUMP_AT * window_ms || now_ms < top_ms;
  return outside ? now_ms - JUMP_TO * window_ms : top_ms;
}

/**
 * The picture. `model` has arrows, holds, messages and marks (live/model.js); what lies after `now_ms` is not shown yet.
 * `small`, a name, leaves out every text, for a sketch; `secret`: how long messages took.
 */
export function Ladder({ model, top_ms, window_ms, now_ms, width, height, font_px, selected, onSelect, small, secret, title }) {
  const left = small ? 14 : Math.max(92, Math.min(150, width * 0.19)), right = small ? width - 22 : width - Math.max(74, Math.min(140, width * 0.19));
  const head = small ? 4 : 34;
  const y = at_ms => head + ((at_ms - top_ms) / window_ms) * (height - head);
  const seen = (from_ms, to_ms) => to_ms >= top_ms && from_ms <= Math.min(now_ms, top_ms + window_ms);
  const arrows = model.arrows.filter(arrow => seen(arrow.at_ms, arrow.arrives_ms)).map(arrow => (small ? arrow : { ...arrow, label: label(arrow) }));
  const messages = [...model.messages.values()].filter(({ published_ms, sent_ms, arrived_ms }) => published_ms && seen(published_ms, arrived_ms ?? sent_ms ?? now_ms));
  const marks = small ? [] : model.marks.filter(mark => seen(mark.at_ms, mark.at_ms));
  const fitting = (texts, room_px) => texts.find(text => widthOf(text, font_px) <= room_px) ?? texts.at(-1);
  const numbers = small ? [] : spread(messages.flatMap(({ cursor, published_ms, arrived_ms }) => [
    { key: `published-${cursor}`, x: right + 18, y: y(published_ms) + 6, anchor: "start", text: fitting(words.published(sequence(cursor)), width - right - 20) },
    ...(arrived_ms ? [{ key: `arrived-${cursor}`, x: left - 14, y: y(arrived_ms) + 6, anchor: "end", text: fitting(words.arrived(sequence(cursor), secret ? null : arrived_ms - published_ms), left - 16) }] : []),
  ]));
  const moments = [];
  for (const mark of marks) {
    const last = moments.at(-1), at = y(mark.at_ms) - 6;
    if (last && at - last.y < LABEL_GAP_PX) last.labels.add(markLabel(mark));
    else moments.push({ key: `mark-${mark.at_ms}`, x: (left + right) / 2, y: at, anchor: "middle", labels: new Set([markLabel(mark)]), tone: "mark" });
  }
  for (const moment of moments) moment.text = fitted(words.marks([...moment.labels]), right - left - 20, font_px);
  const texts = small ? [] : labels(arrows, y, left, right, font_px, moments.map(moment => boxOf(moment, font_px)));
  const held = small ? undefined : model.holds.findLast(hold => hold.to_ms === null && now_ms - hold.from_ms > 1000);
  if (held) {
    // Below the present, where there is nothing but perhaps the text of the last arrow.
    const text = (held.endless ? words.open : words.held)(Math.floor((now_ms - held.from_ms) / 1000));
    const options = [1, 2, 3].map(line => ({ key: "hold", text, x: right - 12, y: y(now_ms) + line * (font_px + 2), anchor: "end", tone: "hold" }));
    const free = options.find(option => texts.every(other => !overlap(boxOf(option, font_px), boxOf(other, font_px))));
    if (free) texts.push(free);
  }
  return html`
    <svg class="ladder" width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="img" aria-label=${title}>
      <defs><clipPath id=${small ? `clip-${small}` : "clip"}><rect x="0" y=${head - 4} width=${width} height=${Math.max(0, y(now_ms) - head + 4)} /></clipPath></defs>
      ${!small && html`<g class="ends"><text x=${left} y="20" text-anchor="middle">${words.BROWSER}</text><text x=${right} y="20" text-anchor="middle">${words.SERVER}</text></g>`}
      <line class="life" x1=${left} y1=${head - 4} x2=${left} y2=${height} /><line class="life" x1=${right} y1=${head - 4} x2=${right} y2=${height} />
      <g clip-path="url(#${small ? `clip-${small}` : "clip"})">
        ${model.holds.filter(hold => seen(hold.from_ms, hold.to_ms ?? now_ms)).map(hold => html`
          <rect key=${`hold-${hold.connection}-${hold.number}`} class=${hold.endless ? "open" : "held"} x=${right - 5} width="10"
            y=${y(hold.from_ms)} height=${Math.max(0, y(hold.to_ms ?? top_ms + 2 * window_ms) - y(hold.from_ms))} />`)}
        ${messages.filter(({ published_ms, sent_ms }) => (sent_ms ?? now_ms) - published_ms > window_ms / 100).map(({ cursor, published_ms, sent_ms }) => html`
          <line key=${`wait-${cursor}`} class="waits" x1=${right + 9} x2=${right + 9} y1=${y(published_ms)} y2=${y(sent_ms ?? top_ms + 2 * window_ms)} />`)}
        ${arrows.map(arrow => html`<${Arrow} key=${arrow.id} arrow=${arrow} y=${y} left=${left} right=${right}
          selected=${arrow.id === selected} onSelect=${onSelect} />`)}
        ${messages.map(({ cursor, published_ms, arrived_ms }) => html`
          <g key=${cursor} class="message">
            <circle class="published" cx=${right} cy=${y(published_ms)} r=${small ? 5 : 7} />
            ${arrived_ms && html`<circle class="arrived" cx=${left} cy=${y(arrived_ms)} r=${small ? 5 : 7} />`}
          </g>`)}
        ${marks.map(({ at_ms }) => html`<line key=${`line-${at_ms}`} class="mark" x1=${left} x2=${right} y1=${y(at_ms)} y2=${y(at_ms)} />`)}
      </g>
      ${[...numbers, ...moments, ...texts].filter(text => boxOf(text, font_px).top > head - 4).map(({ key, text, x, y, anchor, tone }) => html`<text key=${key} class=${tone} x=${x} y=${y} text-anchor=${anchor}>${text}</text>`)}
      ${!small && html`<line class="now" x1="0" x2=${width} y1=${y(now_ms)} y2=${y(now_ms)} />`}
    </svg>`;
}

function Arrow({ arrow, y, left, right, selected, onSelect }) {
  const up = arrow.direction === "up";
  const [from, to] = up ? [left, right] : [right, left];
  const y1 = y(arrow.at_ms), whole = y(arrow.arrives_ms) - y1;
  const share = arrow.lost_ms ? (arrow.lost_ms - arrow.at_ms) / (arrow.arrives_ms - arrow.at_ms) : 1; // of the way that it went
  const end = from + share * (to - from), y2 = y1 + share * whole, angle = (Math.atan2(whole, to - from) * 180) / Math.PI;
  return html`
    <g class="arrow ${arrow.tone} ${selected ? "selected" : ""}" data-id=${arrow.id} onClick=${() => onSelect?.(arrow.id)}>
      <title>${arrow.label ?? ""}</title>
      <line class="target" x1=${from} y1=${y1} x2=${end} y2=${y2} />
      <line class="shaft" x1=${from} y1=${y1} x2=${end} y2=${y2} />
      <path class="tip" d=${arrow.lost_ms ? "M-6,-6 L6,6 M-6,6 L6,-6" : "M0,0 L-13,-5.5 L-13,5.5 Z"} transform="translate(${end},${y2}) rotate(${angle})" />
    </g>`;
}

/** Those of some texts that can be shown without one covering another. */
function spread(texts) {
  const last = {};
  return texts.filter(({ anchor, y }) => {
    if (y - (last[anchor] ?? -Infinity) < LABEL_GAP_PX) return false;
    last[anchor] = y;
    return true;
  });
}
