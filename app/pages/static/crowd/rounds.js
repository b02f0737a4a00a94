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
    each_ms: (last_ms - first_ms) / (readers - 1),
    busy: busy_ms > ALL_BUSY * (last_ms - first_ms),
  };
}

/** The last round, and the medians over all of them: { readers, number, tasks, hub }, as words.verdict takes it. */
export function findings(rounds, readers) {
  const lane = fanOut => {
    const all = rounds.map(round => figures(round[fanOut], readers)), whole = all.filter(({ missing }) => !missing);
    const middle = name => median(whole.map(one => one[name]));
    return { ...all.at(-1), median_ms: middle("last_ms"), median_each_ms: middle("each_ms") };
  };
  return { readers, number: rounds.length, tasks: lane("tasks"), hub: lane("hub") };
}

/** The longest time that the picture has to show: of the last rounds, so that a single slow one does not squeeze it for long. */
export const longest_ms = rounds => Math.max(0, ...rounds.slice(-5).flatMap(round => FAN_OUTS.map(fanOut => round[fanOut].delays_ms.at(-1))));
