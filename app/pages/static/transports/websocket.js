import { receive } from "../clients/websocket.js";
import { push } from "../theory.js";
import * as words from "../words/transports/websocket.js";

export const websocket = {
  receive, words,
  settings: {},
  framing: null,
  upgrade: "required",
  expected: ({ delay_s }) => push(delay_s),
  wrong_s: ({ delay_s }) => [[0, delay_s / 4, delay_s / 2], [2 * delay_s, 3 * delay_s, delay_s + 1, delay_s + 3]],
  arrows_hz: ({ rate_hz }) => rate_hz,
  setup: () => ["request", "upgraded", "error", "position"],
  sketch: {
    requests: [40],
    responses: [[110, "other"], [330, "update"], [700, "update"], [860, "update"]],
    messages: [[330, 390], [700, 760], [860, 920]],
    open: 100,
    frames: [640],
  },
};
