// The limits page: four experiments, each done for real, one at a time, and whatever they open is closed again.
import { html, render } from "htm/preact";
import { signal } from "@preact/signals";
import { address, read } from "./live/address.js";
import { onKeys } from "./draw/controls.js";
import { Run } from "./limits/run.js";
import { Tap } from "./limits/tap.js";
import { six } from "./limits/six.js";
import { sockets } from "./limits/sockets.js";
import { hidden } from "./limits/hidden.js";
import { equal } from "./limits/equal.js";
import * as words from "./words/limits.js";

const EXPERIMENTS = [six, sockets, hidden, equal];
const KNOWN = {
  pause: { otherwise: 4, range: [0.1, 12] }, // s until the first connection is closed by itself
  away: { otherwise: 12, range: [1, 600] }, // s that the other tab stays in front
  hold: { otherwise: 4, range: [1, 25] }, // s that a long poll is held
  six: { otherwise: "1", pattern: /^[01]$/ },
  publish: { otherwise: "1", pattern: /^[01]$/ },
};
const REDRAW_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 100;

const { values, problems } = read(KNOWN);
// Everything drawn reads one of these, and is redrawn when it counts up: all cards, or only the one that runs. That one
// is redrawn by the clock, not whenever something happens: drawing takes time, and would delay what is measured.
const changed = signal(0), ticked = signal(0);
const show = () => { changed.value++; };
const tap = new Tap(show);
const runs = new Map(); // by experiment: the last one
let running = null;

/** The protocol that brought this page: "http/1.1", "h2" or "h3". */
const protocol = performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "";

/** A run that has not begun: what will be done. */
function planned(experiment) {
  const rows = { rows: [], marks: [], sees: true, begun_ms: 0, ended_ms: 0, planned: true };
  experiment.plan(rows, values);
  return rows;
}

function start(experiment, how) {
  if (reason(experiment)) return;
  const run = running = tap.run = new Run(tap, 1000 * experiment.limit_s, show);
  runs.set(experiment, run);
  experiment.plan(run, values);
  const drawing = setInterval(() => { if (!document.hidden) ticked.value++; }, REDRAW_MS);
  // Before, not after: the next page would have to wait for a connection too, and so for the end of this run.
  const leave = () => run.end("page");
  for (const leaving of ["beforeunload", "pagehide"]) addEventListener(leaving, leave);
  run.atEnd(() => {
    clearInterval(drawing);
    for (const leaving of ["beforeunload", "pagehide"]) removeEventListener(leaving, leave);
    running = null;
  });
  document.querySelector(`#${experiment.name} .live`).scrollIntoView({ block: "nearest" }); // keys start what may be out of sight
  run.go(() => experiment.perform(run, values, how));
}

/** Why an experiment can't begin now; nothing if it can. */
function reason(experiment) {
  if (running) return runs.get(experiment) === running ? words.RUNS_ALREADY : words.ANOTHER_RUNS;
  if (!tap.ready) return words.NO_SERVER_YET;
  return "";
}

function set(experiment, name, value) {
  values[name] = value;
  runs.delete(experiment);
  history.replaceState(null, "", address(KNOWN, values));
  show();
}

/** A button that says why it can't be pressed, by mouse and by keyboard. */
function Button({ id, label, hotkey, why, onClick }) {
  // The second click of a double click would undo the first.
  const click = event => { if (!why && event.detail < 2) onClick(); };
  return html`
    <span class="tipped">
      <button type="button" id=${id} aria-disabled=${why ? "true" : undefined} aria-describedby=${why ? `${id}-tip` : undefined} aria-keyshortcuts=${hotkey} onClick=${click}>
        ${label}${hotkey && html` <kbd aria-hidden="true">${hotkey}</kbd>`}</button>
      ${why && html`<span class="tip" role="tooltip" id=${`${id}-tip`}>${why}</span>`}
    </span>`;
}

function Live({ experiment }) {
  changed.value;
  const run = runs.get(experiment);
  const runsNow = run !== undefined && run === running;
  if (runsNow) ticked.value;
  const { Picture, option, nudge } = experiment;
  const why = reason(experiment);
  return html`
    <div class="buttons">
      ${experiment.starts.map((one, i) => (runsNow && i === 0
        ? html`<${Button} key=${one.id} id=${one.id} label=${words.END[experiment.name]} hotkey="Esc" onClick=${() => running?.end("you")} />`
        : html`<${Button} key=${one.id} id=${one.id} label=${words.BUTTONS[one.id](values)} hotkey=${one.hotkey} why=${why} onClick=${() => start(experiment, one)} />`))}
      ${nudge && html`<${Button} id=${nudge} label=${words.BUTTONS[nudge](values)} why=${runsNow && run.nudgeable ? "" : words.NOTHING_TO_CLOSE} onClick=${() => run.nudge()} />`}
      ${option && html`<label class="option"><input type="checkbox" id=${`option-${option}`} checked=${values[option] === "1"} disabled=${Boolean(running)}
        onChange=${event => set(experiment, option, event.target.checked ? "1" : "0")} /> ${words.OPTIONS[option]}</label>`}
    </div>
    <div class="picture-of" data-state=${runsNow ? "runs" : run ? "ended" : "planned"}>
      <${Picture} run=${run ?? planned(experiment)} now_ms=${run ? run.ended_ms ?? performance.now() : 0} />
    </div>
    <p class="verdict" id=${`verdict-${experiment.name}`} role="status">${said(experiment, run, runsNow)}</p>`;
}

/** What is seen, in words. */
function said(experiment, run, runsNow) {
  if (!run) return tap.ready ? "" : words.connecting(tap.why);
  if (runsNow) return run.stage;
  if (run.why === "server") return words.serverLost(tap.ready);
  return words.stopped(run.why, experiment.verdict(run, protocol));
}

onKeys(Object.fromEntries(EXPERIMENTS.map(experiment => [experiment.starts[0].hotkey, () => start(experiment, experiment.starts[0])])));
addEventListener("keydown", event => { if (event.key === "Escape") running?.end("you"); });

for (const experiment of EXPERIMENTS) render(html`<${Live} experiment=${experiment} />`, document.querySelector(`#${experiment.name} .live`));
render(problems.map(problem => html`<p class="notice">${problem}</p>`), document.getElementById("problems"));
