// The tab that is looked at while the other one is hidden: it counts down, and closes itself.
import { CANT_CLOSE, backIn, left as leftSays } from "../words/limits.js";

const asked_s = Number(new URLSearchParams(location.search).get("seconds"));
const until_ms = performance.now() + 1000 * (asked_s >= 1 && asked_s <= 600 ? asked_s : 12);
const left = document.getElementById("left");

function close() {
  clearInterval(counting);
  window.close(); // only a tab that a script has opened may close itself
  setTimeout(() => { document.getElementById("stuck").textContent = CANT_CLOSE; }, 500);
}

function count() {
  const left_s = Math.max(0, Math.ceil((until_ms - performance.now()) / 1000));
  left.textContent = leftSays(left_s);
  document.title = backIn(left_s);
  if (performance.now() >= until_ms) close();
}

const counting = setInterval(count, 200);
count();
document.getElementById("back").addEventListener("click", close);
addEventListener("keydown", event => { if (event.key === "Escape") close(); });
