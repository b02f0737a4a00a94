import { receive } from "../clients/sse.js";
import { push } from "../theory.js";
import * as words from "../words/transports/sse.js";

export const sse = {
  receive, words,
  settings: {},
  framing: null,
  upgrade: null,
  expected: ({ delay_s }) => push(delay_s),
  wrong_s: ({ delay_s }) => [[0, delay_s / 4, delay_s / 2], [2 * delay_s, 3 * delay_s, delay_s + 1, delay_s + 3]],
  arrows_hz: ({ rate_hz }) => rate_hz,
  setup: () => ["request", "resume", "response", "position"],
  sketch: {
    requests: [40],
    responses: [[110, "other"], [330, "update"], [560, "update"], [820, "update"]],
    messages: [[330, 390], [560, 620], [820, 880]],
    open: 100,
  },
};
