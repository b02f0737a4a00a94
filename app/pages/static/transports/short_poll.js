import { receive } from "../clients/short_poll.js";
import { polling } from "../theory.js";
import * as words from "../words/transports/short_poll.js";

const gap_s = ({ delay_s, pause_s }) => 2 * delay_s + pause_s;

export const short_poll = {
  receive, words,
  settings: { pause: 2 },
  framing: "batch",
  upgrade: null,
  expected: settings => polling(settings.rate_hz, settings.delay_s, gap_s(settings), 0),
  wrong_s: settings => [
    [settings.delay_s, settings.pause_s / 4, settings.pause_s / 2],
    [settings.pause_s, settings.delay_s + gap_s(settings), 2 * gap_s(settings), 3 * gap_s(settings)],
  ],
  arrows_hz: settings => 2 / gap_s(settings),
  setup: () => [],
  sketch: {
    requests: [40, 290, 540, 790],
    responses: [[100, "empty"], [350, "empty"], [600, "update"], [850, "update"]],
    messages: [[450, 660], [700, 910]],
  },
};
