// Where the ladder's texts stand: each beside its own arrow, and never over another arrow or text. Fewer texts that are
// right beat many; what has none here is in the list beside.

const ROOM_PX = 3;

/** Texts for `arrows`: [{ key, text, tone, x, y, anchor }]. `y` turns ms into px; `font_px` is the size of the letters. */
export function labels(arrows, y, left, right, font_px) {
  const lines = arrows.map(({ direction, at_ms, arrives_ms }) => {
    const [from, to] = direction === "up" ? [left, right] : [right, left];
    const y1 = y(at_ms), y2 = y(arrives_ms);
    return x => y1 + ((x - from) / (to - from)) * (y2 - y1);
  });
  const taken = [];
  const order = arrows.map((_, i) => i).sort((a, b) => (arrows[b].tone === "news") - (arrows[a].tone === "news") || a - b);
  const placed = [];
  for (const i of order) {
    const arrow = arrows[i], width = arrow.label.length * font_px * 0.56;
    for (const [anchor, below] of places(arrow, arrows[i - 1], font_px, y)) {
      const x = anchor === "start" ? left + 0.06 * (right - left) : right - 0.06 * (right - left);
      const x0 = anchor === "start" ? x : x - width, x1 = x0 + width;
      const own = [lines[i](x0), lines[i](x1)];
      const baseline = below ? Math.max(...own) + font_px + 1 : Math.min(...own) - 6;
      const box = { x0, x1, top: baseline - font_px * 0.8 - ROOM_PX, bottom: baseline + font_px * 0.2 + ROOM_PX };
      const crossed = lines.some((line, j) => j !== i && crosses(line, box));
      if (crossed || taken.some(other => overlap(other, box))) continue;
      taken.push(box);
      placed.push({ key: `arrow-${arrow.id}`, text: arrow.label, tone: arrow.tone, x, y: baseline, anchor });
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

const overlap = (a, b) => a.x0 < b.x1 && b.x0 < a.x1 && a.top < b.bottom && b.top < a.bottom;
