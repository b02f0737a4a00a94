import { receive } from "../clients/long_poll.js";
import { polling } from "../theory.js";
import * as words from "../words/transports/long_poll.js";

export const long_poll = {
  receive, words,
  settings: { hold: 25 },
  framing: "batch",
  upgrade: null,
  expected: ({ rate_hz, delay_s, hold_s }) => polling(rate_hz, delay_s, 2 * delay_s, hold_s),
  wrong_s: ({ delay_s, hold_s }) => [[0, delay_s / 4, delay_s / 2], [2 * delay_s, 3 * delay_s, hold_s / 2, hold_s, delay_s + 1]],
  arrows_hz: ({ rate_hz }) => 2 * rate_hz,
  setup: () => [],
  sketch: {
    requests: [40, 400, 770],
    responses: [[280, "update"], [650, "update"]],
    messages: [[280, 340], [650, 710]],
    holds: [[100, 280], [460, 650], [830, null]],
  },
};
