// What the rounds show. In a round, one message is published in each lane; { tasks, hub } are what its readers reported.
import { median } from "../live/model.js";

/** The lanes: how the server tells everybody. */
export const FAN_OUTS = ["tasks", "hub"];

const ALL_BUSY = 0.85; // of the time: then the readers were not waiting for the server

/** One report of `readers` readers. A time that nobody, or not everybody, can tell is NaN. */
export function figures({ delays_ms, busy_ms }, readers) {
  const missing = readers - delays_ms.length, first_ms = delays_ms[0];
  const last_ms = missing ? NaN : delays_ms.at(-1);
  return {
    missing,
    half_ms: delays_ms[Math.ceil(readers / 2) - 1] ?? NaN,
    last_ms,
    busy: busy_ms > ALL_BUSY * (last_ms - first_ms),
  };
}

/** The last round, and the medians over all of them: { readers, number, tasks, hub }, as words.verdict takes it. */
export function findings(rounds, readers) {
  const lane = fanOut => {
    const all = rounds.map(round => figures(round[fanOut], readers));
    return { ...all.at(-1), median_ms: median(all.filter(({ missing }) => !missing).map(({ last_ms }) => last_ms)) };
  };
  return { readers, number: rounds.length, tasks: lane("tasks"), hub: lane("hub") };
}

const ROOM = 1.3; // beside the medians, for what takes a little longer

/** The longest time that the picture has to show: the last round in full, and the others' medians; a slow one of them is cut off. */
export function longest_ms(rounds) {
  const last_ms = fanOut => rounds.map(round => round[fanOut].delays_ms.at(-1));
  return rounds.length ? Math.max(...FAN_OUTS.flatMap(fanOut => [last_ms(fanOut).at(-1), ROOM * median(last_ms(fanOut))])) : 0;
}
