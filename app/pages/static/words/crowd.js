// The crowd: controls, status, lanes, and what was seen, in whole sentences.
import { duration } from "./format.js";

export const ACTIONS = "Actions";
export const READERS = { label: "Readers", tip: "How many wait in each lane, each on a connection of its own." };
export const OVER = { label: "over", tip: "Which transport all of them use." };

export const PUBLISH = "Publish to everybody";
export const PUBLISH_TIP = "One message in each lane, one lane after the other. The first time, the readers connect.";
export const KEEP = "Repeat";
export const STOP = "Stop";
export const KEEP_TIP = "Publish again and again, to get a median that does not depend on luck.";
export const RESET = "Reset";
export const RESET_TIP = "Forget the messages so far.";

export const publishedToAll = number => `message ${number}, for everybody`;

// The status
export const NOBODY = "Nobody is connected yet. Publish, and the readers connect.";
export const connecting = readers => `Connecting two crowds of ${readers} readers.`;
export const connected = readers => `Two crowds of ${readers} readers are connected.`;
export const slower = times => `Slow motion: ${times} times slower.`;
export const TO_SERVER = "Connecting to the server.";
export const UNREACHABLE = "The server can’t be reached. Retrying every second.";
export const ENDED = {
  full: "Other pages have all the readers that this server allows. Close one of them, or try again in some minutes.",
  refused: "The server refused to let so many readers connect. It has a limit on connections: see how it was started.",
  lost: "Readers lost their connections. Publish again, and new ones connect.",
  time: "The readers have left: they stay for five minutes. Publish again, and new ones connect.",
  server: "The connection to the server was lost. Publish again, and new readers connect.",
};

// The lanes
export const LANES = {
  tasks: { title: "Tasks", aside: "a task for each reader" },
  hub: { title: "Hub", aside: "one loop for all readers" },
};
export const SINCE = "since it was published";
export const HALF = "half have it";
export const LAST = "the last has it";
export const MEDIAN = "median of the last";
export const have = (number, readers) => `${number} of ${readers} have it`;
export const over = number => (number === 1 ? "1 message" : `${number} messages`);
export const beyond = number => `${number} beyond ›`;
export const lane = ({ title, readers, number, half_ms, last_ms }) => `${title}: ${number} of ${readers} readers have the message, half of them after ${duration(half_ms)}, the last after ${duration(last_ms)}`;

// What was seen
const SAME = 1.15; // closer than that, two durations are called the same
const ENOUGH = 3; // messages, until a median is worth a sentence
const times = factor => (factor < 9.95 ? factor.toFixed(1) : Math.round(factor));
const each = ms => (ms < 0.9995 ? `${Math.round(1000 * ms)} µs` : duration(ms));

export const NO_MESSAGE = "When does the last reader have the message? Publish one and see.";

/** `tasks` and `hub` as rounds.js finds them. */
export function verdict({ readers, number, tasks, hub }) {
  if (tasks.missing || hub.missing) return `${tasks.missing + hub.missing} of ${2 * readers} readers did not get this message in time, so this says nothing about the two lanes.`;
  return [
    message(readers, tasks.last_ms, hub.last_ms),
    ...(number >= ENOUGH ? [medians(number, tasks.median_ms, hub.median_ms)] : []),
    perReader(readers, ...(number >= ENOUGH ? [tasks.median_ms, hub.median_ms] : [tasks.last_ms, hub.last_ms])),
    ...(hub.busy ? ["The readers’ own process was busy all that time: the hub itself is faster than this."] : []),
  ].join(" ");
}

function message(readers, tasks_ms, hub_ms) {
  const factor = tasks_ms / hub_ms, tasks = duration(tasks_ms), hub = duration(hub_ms);
  if (factor >= SAME) return `With the hub, the last of ${readers} had the message ${times(factor)} times sooner: after ${hub} instead of ${tasks}.`;
  if (factor <= 1 / SAME) return `With the hub, the last of ${readers} had the message ${times(1 / factor)} times later: after ${hub} instead of ${tasks}.`;
  return `The last of ${readers} had the message after ${hub} with the hub and after ${tasks} with tasks: about the same.`;
}

const perReader = (readers, tasks_ms, hub_ms) => `Per reader that is ${each(tasks_ms / readers)} with tasks and ${each(hub_ms / readers)} with the hub.`;

function medians(number, tasks_ms, hub_ms) {
  const factor = tasks_ms / hub_ms, both = `the medians over ${number} messages are ${duration(hub_ms)} and ${duration(tasks_ms)}`;
  if (factor >= SAME) return `In all, ${both}: ${times(factor)} times sooner.`;
  if (factor <= 1 / SAME) return `In all, ${both}: ${times(1 / factor)} times later.`;
  return `In all, ${both}: about the same.`;
}
