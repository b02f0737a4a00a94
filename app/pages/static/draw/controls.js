// The controls that the pages share: sliders with steps that people think in, choices, and buttons with their keys.
import { html } from "htm/preact";

/** A slider over `stops`; its value may lie between them, and `text(value)` is what it says. */
export function Slider({ name, label, tip, value, stops, text, onChange }) {
  const all = stops.includes(value) ? stops : [...stops, value].sort((a, b) => a - b);
  const shown = text(value);
  return html`
    <div class="control tipped">
      <label for=${name}>${label} <output for=${name}>${shown}</output></label>
      <input type="range" id=${name} min="0" max=${all.length - 1} step="1" value=${all.indexOf(value)} aria-valuetext=${shown} aria-describedby=${`${name}-tip`}
        onInput=${event => onChange(all[event.target.value])} />
      <span class="tip" role="tooltip" id=${`${name}-tip`}>${tip}</span>
    </div>`;
}

/** A choice among a few `options`, [value, text] each. */
export function Select({ name, label, tip, value, options, onChange }) {
  return html`
    <div class="control tipped">
      <label for=${name}>${label}</label>
      <select id=${name} value=${value} aria-describedby=${`${name}-tip`} onChange=${event => onChange(event.target.value)}>
        ${options.map(([option, text]) => html`<option value=${option}>${text}</option>`)}
      </select>
      <span class="tip" role="tooltip" id=${`${name}-tip`}>${tip}</span>
    </div>`;
}

/** A button, its key, and what it does. */
export function Action({ name, label, hotkey, tip, onClick }) {
  return html`
    <span class="tipped">
      <button type="button" id=${name} onClick=${onClick} aria-describedby=${`${name}-tip`} aria-keyshortcuts=${hotkey}>
        ${label} ${hotkey && html`<kbd aria-hidden="true">${hotkey}</kbd>`}
      </button>
      <span class="tip" role="tooltip" id=${`${name}-tip`}>${tip}</span>
    </span>`;
}

// Escape hides a tooltip that covers something, until the pointer or the focus moves.
addEventListener("keydown", event => { if (event.key === "Escape") document.body.classList.add("no-tips"); });
for (const moved of ["focusin", "pointerover"]) addEventListener(moved, () => document.body.classList.remove("no-tips"));

/**
 * Call `keys[key]` when that key is pressed, unless it means something where it is pressed: Space activates a button
 * that was reached by keyboard. What was clicked gives the focus away again, so that the keys work right after a click.
 */
export function onKeys(keys) {
  let pointed = false;
  addEventListener("pointerdown", () => { pointed = true; }, true);
  const release = ({ target }) => { if (pointed) target.closest?.("button, select, [type=checkbox]")?.blur(); };
  addEventListener("click", event => { if (event.detail > 0 && !event.target.closest?.("select")) release(event); }); // 0: by keyboard
  addEventListener("change", release);
  addEventListener("keydown", event => {
    pointed = false;
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=range], [type=checkbox]), textarea, select")) return;
    if (event.key === " " && event.target.closest("button, a, summary, [type=checkbox], [role=option]")) return;
    const action = keys[event.key === " " ? "Space" : event.key.toLowerCase()];
    if (action) { event.preventDefault(); action(); }
  });
}
