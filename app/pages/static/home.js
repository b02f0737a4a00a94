// The home page: a sketch of each transport's ladder, and the addresses of this very server.
import { html, render } from "htm/preact";
import { Ladder } from "./draw/ladder.js";

const WAY = 60; // of 1000, how long a sketch's arrows are on their way

/** Sketches, not measurements: what asks, what answers, and what is published when, on a scale from 0 to 1000. */
const SKETCHES = {
  short_poll: { asks: [40, 290, 540, 790], answers: [[100, "empty"], [350, "empty"], [600, "news"], [850, "news"]], published: [[450, 660], [700, 910]] },
  long_poll: { asks: [40, 400, 770], answers: [[280, "news"], [650, "news"]], published: [[280, 340], [650, 710]], holds: [[100, 280], [460, 650], [830, null]] },
  sse: { asks: [40], answers: [[110, "other"], [330, "news"], [560, "news"], [820, "news"]], published: [[330, 390], [560, 620], [820, 880]], open: 100 },
  websocket: { asks: [40], answers: [[110, "other"], [330, "news"], [700, "news"], [860, "news"]], published: [[330, 390], [700, 760], [860, 920]], open: 100, says: [640] },
  socket_io: { asks: [40, 180, 320], answers: [[110, "other"], [250, "other"], [390, "other"], [560, "news"], [780, "news"]], published: [[560, 620], [780, 840]], holds: [[100, 110], [240, 250]], open: 380, says: [460, 720] },
};

function modelOf({ asks, answers, published, holds = [], open, says = [] }) {
  const arrow = (direction, at_ms, tone, id) => ({ id, direction, at_ms, arrives_ms: at_ms + WAY, tone, label: "" });
  return {
    arrows: [...asks.map(at => arrow("up", at, "ask", `ask-${at}`)), ...says.map(at => arrow("up", at, "news", `say-${at}`)), ...answers.map(([at, tone], i) => arrow("down", at, tone, `down-${i}`))],
    holds: [...holds.map(([from_ms, to_ms], number) => ({ connection: 1, number, from_ms, to_ms, endless: false })), ...(open ? [{ connection: 2, number: 1, from_ms: open, to_ms: null, endless: true }] : [])],
    messages: new Map(published.map(([published_ms, arrived_ms], i) => [`sketch-${i}`, { cursor: `sketch-${i}`, published_ms, sent_ms: arrived_ms - WAY, arrived_ms }])),
    marks: [],
  };
}

for (const place of document.querySelectorAll("[data-sketch]")) {
  const name = place.dataset.sketch;
  const draw = () => render(html`<${Ladder} small=${name} model=${modelOf(SKETCHES[name])} top_ms=${0} window_ms=${1000} now_ms=${1000} width=${place.clientWidth} height=${170}
    title="Sketch: browser on the left, server on the right, time running down" />`, place);
  new ResizeObserver(draw).observe(place);
}

for (const here of document.querySelectorAll(".here")) {
  here.textContent = here.classList.contains("ws") ? location.origin.replace(/^http/, "ws") : location.origin;
}

document.getElementById("share").addEventListener("submit", event => {
  event.preventDefault();
  const [page, session] = ["page", "session"].map(id => document.getElementById(id).value);
  location.href = `${page}?session=${encodeURIComponent(session)}`;
});
