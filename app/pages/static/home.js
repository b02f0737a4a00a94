// The home page: a sketch of each transport's ladder, and the addresses of this very server.
import { html, render } from "htm/preact";
import { Ladder } from "./draw/ladder.js";
import { TRANSPORTS } from "./transports/index.js";
import { SKETCH } from "./words/ladder.js";

const ONE_WAY = 60; // of 1000, how long a sketch's arrows take

/** A sketch (transports/index.js) as what the ladder draws: nothing in it is measured. */
function modelOf({ requests, responses, messages, holds = [], open, frames = [] }) {
  const arrow = (direction, tone) => (at_ms, i) => ({ id: `${direction}-${tone}-${i}`, direction, tone, at_ms, arrives_ms: at_ms + ONE_WAY });
  const closed = holds.map(([from_ms, to_ms], number) => ({ connection: 1, number, from_ms, to_ms, endless: false }));
  return {
    arrows: [...requests.map(arrow("up", "request")), ...frames.map(arrow("up", "update")), ...responses.map(([at_ms, tone], i) => arrow("down", tone)(at_ms, i))],
    holds: open ? [...closed, { connection: 2, number: 1, from_ms: open, to_ms: null, endless: true }] : closed,
    messages: new Map(messages.map(([published_ms, arrived_ms], i) => [`sketch-${i}`, { cursor: `sketch-${i}`, published_ms, sent_ms: arrived_ms - ONE_WAY, arrived_ms }])),
    marks: [],
  };
}

for (const place of document.querySelectorAll("[data-sketch]")) {
  const name = place.dataset.sketch;
  const draw = () => render(html`<${Ladder} small=${name} model=${modelOf(TRANSPORTS[name].sketch)} top_ms=${0} window_ms=${1000} now_ms=${1000} width=${place.clientWidth} height=${170} title=${SKETCH} />`, place);
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
