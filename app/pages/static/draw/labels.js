// Where the ladder's texts are: each beside its own arrow, and never over another arrow or text. A few texts in the right
// place are better than many; what has no room here is in the list.

const ROOM_PX = 3;
const LETTER = 0.6; // how wide a letter is, of its size

export const widthOf = (text, font_px) => text.length * font_px * LETTER;

/** The text as far as it fits into `width` px. */
export function fitted(text, width, font_px) {
  const letters = Math.floor(width / (font_px * LETTER));
  return text.length <= letters ? text : `${text.slice(0, Math.max(0, letters - 1))}…`;
}

/** The box around a text with its baseline at `y`, with some room. */
export function boxOf({ text, x, y, anchor }, font_px) {
  const width = widthOf(text, font_px);
  const x0 = anchor === "start" ? x : anchor === "end" ? x - width : x - width / 2;
  return { x0, x1: x0 + width, top: y - font_px * 0.8 - ROOM_PX, bottom: y + font_px * 0.2 + ROOM_PX };
}

/**
 * Texts for `arrows`: [{ key, text, tone, x, y, anchor }]. `y` turns ms into px; `font_px` is the size of the letters;
 * `taken` are boxes where other texts are.
 */
export function labels(arrows, y, left, right, font_px, taken = []) {
  const lines = arrows.map(({ direction, at_ms, arrives_ms }) => {
    const [from, to] = direction === "up" ? [left, right] : [right, left];
    const y1 = y(at_ms), y2 = y(arrives_ms);
    return x => y1 + ((x - from) / (to - from)) * (y2 - y1);
  });
  const boxes = [...taken], indent = 0.06 * (right - left);
  const order = arrows.map((_, i) => i).sort((a, b) => (arrows[b].tone === "update") - (arrows[a].tone === "update") || a - b);
  const placed = [];
  for (const i of order) {
    const arrow = arrows[i], text = fitted(arrow.label, right - left - 2 * indent, font_px);
    for (const [anchor, below] of places(arrow, arrows[i - 1], font_px, y)) {
      const x = anchor === "start" ? left + indent : right - indent;
      const { x0, x1 } = boxOf({ text, x, y: 0, anchor }, font_px);
      const own = [lines[i](x0), lines[i](x1)];
      const baseline = below ? Math.max(...own) + font_px + 1 : Math.min(...own) - 6;
      const box = boxOf({ text, x, y: baseline, anchor }, font_px);
      if (lines.some((line, j) => j !== i && crosses(line, box)) || boxes.some(other => overlap(other, box))) continue;
      boxes.push(box);
      placed.push({ key: `arrow-${arrow.id}`, text, tone: arrow.tone, x, y: baseline, anchor });
      break;
    }
  }
  return placed;
}

/** The places to try for an arrow's text, best first: [anchor, below]. */
function places({ direction, at_ms }, before, font_px, y) {
  const follows = before && before.direction !== direction && y(at_ms) - y(before.arrives_ms) < 3 * font_px;
  if (direction === "up") return follows ? [["end", true], ["start", true], ["start", false]] : [["start", false], ["end", true]];
  return follows ? [["end", true], ["start", true]] : [["end", false], ["end", true], ["start", true], ["start", false]];
}

const crosses = (line, { x0, x1, top, bottom }) => {
  const [a, b] = [line(x0), line(x1)];
  return Math.max(a, b) > top && Math.min(a, b) < bottom;
};

export const overlap = (a, b) => a.x0 < b.x1 && b.x0 < a.x1 && a.top < b.bottom && b.top < a.bottom;
