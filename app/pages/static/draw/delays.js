// How long messages took: a histogram of what was measured, and over it what the formula says.
import { html } from "htm/preact";
import { median } from "../live/model.js";
import { FORMULA, histogram, MEASURED, summary } from "../words/delays.js";
import { round } from "../words/format.js";

const BINS = 21;

/** `delays_ms` measured, `formula` from theory.js. */
export function Delays({ delays_ms, formula, width = 360, height = 170 }) {
  const n = delays_ms.length;
  const most_ms = niceAbove(Math.max(formula.most_s * 1000 * 1.1, n ? quantile(delays_ms, 0.98) : 0, 10));
  const counts = new Array(BINS).fill(0);
  // Bins are centred on round numbers, for that is where the formulas have their edges.
  const bin_ms = most_ms / (BINS - 1), edge_ms = i => (i - 0.5) * bin_ms;
  for (const delay of delays_ms) counts[Math.min(BINS - 1, Math.floor(delay / bin_ms + 0.5))]++;
  const expected = counts.map((_, i) => formula.shareWithin(edge_ms(i + 1) / 1000) - formula.shareWithin(edge_ms(i) / 1000));
  const top = Math.max(...expected, ...(n ? counts.map(count => count / n) : [0])) * 1.1;
  const foot = height - 30, step = width / BINS, axis = share => step / 2 + share * (width - step), y = share => foot - (share / top) * (foot - 8);
  const outline = expected.map((share, i) => `${i ? "L" : "M"}${i * step},${y(share)} L${(i + 1) * step},${y(share)}`).join(" ");
  const mean_ms = delays_ms.reduce((sum, delay) => sum + delay, 0) / n;
  const words = summary({ n, mean_ms, median_ms: median(delays_ms), formula_ms: formula.mean_s * 1000 });
  return html`
    <figure class="delays">
      <figcaption>${words}</figcaption>
      <svg viewBox="0 0 ${width} ${height}" role="img" aria-label=${histogram({ most_ms, words })}>
        ${n > 0 && counts.map((count, i) => count > 0 && html`<rect class="bar" x=${i * step + 1} width=${step - 2} y=${y(count / n)} height=${foot - y(count / n)} />`)}
        <path class="formula" d=${outline} />
        <line class="axis" x1="0" x2=${width} y1=${foot} y2=${foot} />
        ${[0, 0.5, 1].map(share => html`<text x=${axis(share)} y=${height - 8} text-anchor=${share === 0 ? "start" : share === 1 ? "end" : "middle"}>${share ? round(share * most_ms) : "0"}</text>`)}
      </svg>
      <p class="legend"><span class="bar-key"></span> ${MEASURED} <span class="formula-key"></span> ${FORMULA}</p>
    </figure>`;
}

function quantile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** The next of 1, 2, 4, 6, 8 times a power of ten: an axis' end. */
function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 6, 8, 10].find(step => step * power >= value * 0.999);
}
