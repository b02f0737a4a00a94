// What can be set, on every page that has it: what is accepted in the address, and the steps of its slider.
import { html } from "htm/preact";
import { Select, Slider } from "../draw/controls.js";
import { SETTINGS as WORDS } from "../words/settings.js";

const CHOICES = {
  pause: { range: [0.1, 60], stops: [0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 30], formerly: "interval" },
  hold: { range: [1, 60], stops: [1, 2, 5, 10, 25, 60] },
  rate: { range: [0, 50], stops: [0, 0.1, 0.2, 0.5, 1, 2, 5, 10] },
  delay: { range: [0, 2000], stops: [0, 10, 25, 50, 100, 200, 300, 500, 1000] },
  via: { options: ["upgrade", "websocket", "polling"] },
  upgrades: { options: ["pass", "refuse", "cut"] },
};

/** For the address (address.js): these settings with their defaults. */
export const known = defaults => Object.fromEntries(Object.entries(defaults).map(([name, otherwise]) => {
  const { range, options, formerly } = CHOICES[name];
  return [name, { otherwise, range, pattern: options && new RegExp(`^(${options.join("|")})$`), formerly }];
}));

export const SESSION = { otherwise: "", pattern: /^[a-z0-9][a-z0-9-]{0,23}$/ };
export const STOPPED = { otherwise: "0", pattern: /^[01]$/ };

/** The control of a setting, with a `label` and a `tip` of this page's, if it has its own. */
export function Choice({ name, label, tip, value, onChange }) {
  const { options, stops } = CHOICES[name], words = WORDS[name];
  const shared = { name, label: label ?? words.label, tip: tip ?? words.tip, value, onChange };
  if (options) return html`<${Select} ...${shared} options=${options.map(option => [option, words.options[option]])} />`;
  return html`<${Slider} ...${shared} stops=${stops} text=${words.value} />`;
}

/** The settings as the descriptors and the formulas want them (transports/index.js). */
export const inTheory = ({ rate, delay, pause, hold, via, upgrades }) => ({ rate_hz: rate, delay_s: delay / 1000, pause_s: pause, hold_s: hold, via, upgrades });
