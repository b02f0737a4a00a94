// What can be set, on every page that has it: what is accepted in the address, the steps of its slider, and what it does.
import { html } from "htm/preact";
import { Select, Slider } from "../draw/controls.js";
import { round } from "../words/format.js";

const CHOICES = {
  interval: { range: [0.1, 60], stops: [0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 30], unit: "s", tip: "Short polling: how long the browser pauses after an answer before it asks again." },
  hold: { range: [1, 60], stops: [1, 2, 5, 10, 25, 60], unit: "s", tip: "Long polling: how long the server keeps a question without an answer. Then it answers with nothing, and the browser asks again." },
  rate: { range: [0, 50], stops: [0, 0.1, 0.2, 0.5, 1, 2, 5, 10], unit: value => (value ? `${value} /s` : "none"), tip: "How many messages the server publishes, at random times, as news comes." },
  delay: { range: [0, 2000], stops: [0, 10, 25, 50, 100, 200, 300, 500, 1000], unit: round, tip: "Emulated: every byte of this page waits this long on its way, up and down. On one machine the real way is near zero." },
  via: { options: [["upgrade", "finds a way"], ["websocket", "WebSocket only"], ["polling", "polling only"]], tip: "Socket.IO polls first and then tries whether WebSocket gets through; or the page tells it to do only one of the two." },
  upgrades: { options: [["pass", "gets through"], ["refuse", "refused (400)"], ["cut", "cut off"]], tip: "Emulated: some proxies and firewalls answer a request for a WebSocket with an error, or cut its connection. Plain requests get through." },
};

/** For the address (address.js): these settings with their defaults. */
export const known = defaults => Object.fromEntries(Object.entries(defaults).map(([name, otherwise]) => {
  const { range, options } = CHOICES[name];
  return [name, { otherwise, range, pattern: options && new RegExp(`^(${options.map(([value]) => value).join("|")})$`) }];
}));

export const SESSION = { otherwise: "", pattern: /^[a-z0-9][a-z0-9-]{0,23}$/ };
export const STOPPED = { otherwise: "0", pattern: /^[01]$/ };

/** The control of a setting, with its `label` on this page, which may say more of it than all do in `more`. */
export function Choice({ name, label, more = "", value, onChange }) {
  const { options, stops, unit, tip } = CHOICES[name];
  if (options) return html`<${Select} name=${name} label=${label} value=${value} options=${options} tip=${tip} onChange=${onChange} />`;
  return html`<${Slider} name=${name} label=${label} value=${value} stops=${stops} unit=${unit} tip=${`${tip}${more && ` ${more}`}`} onChange=${onChange} />`;
}

/** The settings as the formulas want them (theory.js). */
export const inTheory = ({ rate, delay, interval, hold, via, upgrades }) => ({
  rate_hz: rate, delay_s: delay / 1000, interval_s: interval, hold_s: hold,
  polls: via === "polling" || (via !== "websocket" && upgrades !== "pass"), // what Socket.IO comes down to
});
