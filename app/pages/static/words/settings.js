// The settings: their labels, their values, and what they do.
import { round } from "./format.js";

export const SETTINGS = {
  pause: { label: "Pause", value: s => `${s} s`, tip: "Short polling: how long the browser pauses after a response before it polls again." },
  hold: { label: "Hold up to", value: s => `${s} s`, tip: "Long polling: how long the server holds a request when there is no message. Then it sends an empty response, and the browser polls again." },
  rate: { label: "Messages", value: hz => (hz ? `${hz} /s` : "none"), tip: "How many messages the server publishes, at random times." },
  delay: { label: "One-way delay", value: round, tip: "Emulated: every byte of this page takes this long, up and down. On one machine the real delay is near zero." },
  via: {
    label: "Socket.IO", options: { upgrade: "upgrades", websocket: "WebSocket only", polling: "polling only" },
    tip: "Socket.IO starts with polling and upgrades if WebSocket gets through; or it is told to use only one of the two.",
  },
  upgrades: {
    label: "WebSocket", options: { pass: "allowed", refuse: "refused (400)", cut: "cut off" },
    tip: "Emulated: some proxies and firewalls respond to a WebSocket request with an error, or cut its connection. Plain requests get through.",
  },
};
