import { receive } from "../clients/socket_io.js";
import { polling, push } from "../theory.js";
import * as words from "../words/transports/socket_io.js";

const HEARTBEAT_S = 25; // which ends a held poll with a ping

/** Whether it comes down to polling. */
const polls = ({ via, upgrades }) => via === "polling" || (via !== "websocket" && upgrades !== "pass");

const SETUP = ["handshake_request", "handshake", "connect", "connected", "position"];
const UPGRADE = ["upgrade_request", "upgraded", "error", "poll_request", "probe", "probe_ok", "noop", "switch", "response"];

export const socket_io = {
  receive,
  words: {
    ...words,
    question: settings => (polls(settings) ? words.polled : words.pushed).question(settings),
    because: (settings, expected) => (polls(settings) ? words.polled : words.pushed).because(settings, expected),
  },
  settings: { via: "upgrade" },
  framing: "packets",
  upgrade: "optional",
  expected: settings => (polls(settings) ? polling(settings.rate_hz, settings.delay_s, 2 * settings.delay_s, HEARTBEAT_S) : push(settings.delay_s)),
  wrong_s: ({ delay_s }) => [[0, delay_s / 4, delay_s / 2], [2 * delay_s, 3 * delay_s, delay_s + 1, delay_s + 3]],
  arrows_hz: settings => (polls(settings) ? 2 : 1) * settings.rate_hz,
  setup: settings => (polls(settings) ? SETUP : [...SETUP, ...UPGRADE]),
  sketch: {
    requests: [40, 180, 320],
    responses: [[110, "other"], [250, "other"], [390, "other"], [560, "update"], [780, "update"]],
    messages: [[560, 620], [780, 840]],
    holds: [[100, 110], [240, 250]],
    open: 380,
    frames: [460, 720],
  },
};
