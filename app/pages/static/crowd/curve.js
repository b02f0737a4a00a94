// A lane's track: every reader is a mark, at the time when it had the message; the first at the bottom, the last on top.
import { html } from "htm/preact";
import { shape } from "../draw/marker.js";
import { scale } from "../draw/track.js";
import * as words from "../words/crowd.js";

const PAD_PX = 14;
const EARLIER = 12; // rounds that are still seen, faintly

/** `delays_ms` of the last round, `earlier` ones, of as many `readers`; what came after `until_ms` is not shown yet. */
export function Curve({ delays_ms, earlier, readers, transport, axis, box: { width, height }, median_ms, until_ms, title }) {
  const x = scale(axis, width), y = i => height - PAD_PX - (i / Math.max(1, readers - 1)) * (height - 2 * PAD_PX);
  const k = readers > 100 ? 0.5 : readers > 20 ? 0.6 : 0.9;
  const beyond = delays_ms.filter(ms => ms > axis.end_ms).length;
  return html`
    <svg width=${width} height=${height} role="img" aria-label=${title}>
      ${axis.ticks_ms.map(ms => html`<line class="grid" x1=${x(ms)} x2=${x(ms)} y1="0" y2=${height} />`)}
      ${earlier.slice(-EARLIER).map(one => html`<polyline class="earlier" points=${one.map((ms, i) => `${x(ms).toFixed(1)},${y(i).toFixed(1)}`).join(" ")} />`)}
      ${median_ms <= axis.end_ms && html`<line class="median" x1=${x(median_ms)} x2=${x(median_ms)} y1="0" y2=${height} />`}
      ${until_ms < axis.end_ms && html`<line class="now" x1=${x(until_ms)} x2=${x(until_ms)} y1="0" y2=${height} />`}
      ${delays_ms.map((ms, i) => ms <= until_ms && html`<path key=${i} class=${i === readers - 1 ? "arrived last" : "arrived"} d=${shape(transport)} transform=${`translate(${x(ms)},${y(i)}) scale(${i === readers - 1 ? 1.7 * k : k})`} />`)}
      ${beyond > 0 && until_ms >= axis.end_ms && html`<text class="beyond" x=${width - 8} y="20" text-anchor="end">${words.beyond(beyond)}</text>`}
    </svg>`;
}
