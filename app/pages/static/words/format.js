// Numbers and names as people read them: one place for all pages.

/** `8.3 ms`, `310 ms`, `2.41 s`. */
export function duration(ms) {
  if (!Number.isFinite(ms)) return "–";
  return ms < 9.95 ? `${ms.toFixed(1)} ms` : ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** A duration that was set, not measured: `2 s`, where another is `2.00 s`. */
export const round = ms => duration(ms).replace(/\.0+(?= )/, "");

/** `213 B`, `1.24 kB`. */
export function size(bytes) {
  if (!Number.isFinite(bytes)) return "–";
  return bytes < 999.5 ? `${Math.round(bytes)} B` : bytes < 999_500 ? `${(bytes / 1e3).toPrecision(3)} kB` : `${(bytes / 1e6).toPrecision(3)} MB`;
}

/** `Hardly any`, `12 %`: at the beginning of a sentence. */
export const percent = share => (share < 0.005 ? "Hardly any" : `${Math.round(100 * share)} %`);

/** `12,345`. */
export const count = number => number.toLocaleString("en");

/** `a`, `a and b`, `a, b and c`. */
export const list = words => [words.slice(0, -1).join(", "), words.at(-1)].filter(Boolean).join(" and ");

export const capital = text => text[0].toUpperCase() + text.slice(1);

/** The number in a cursor, `7f3a90c2-17`: what people call the message. */
export const sequence = cursor => cursor.split("-").at(-1);

/** `message 5`, or `messages 5, 6`; with a capital at the beginning of a sentence. */
export const messages = (cursors, begins = false) => `${begins ? "M" : "m"}essage${cursors.length > 1 ? "s" : ""} ${cursors.map(sequence).join(", ")}`;
