// The race: controls, status, lanes.
import { duration, list } from "./format.js";

export const SETTINGS = "Settings";
export const ACTIONS = "Actions";

/** Labels, and tips, of settings that are called something else here. */
export const CHOICES = {
  pause: { label: "Short polls pause" },
  hold: { label: "Long polls hold" },
  rate: { label: "Messages", tip: "How many messages the server publishes, at random times. Every lane gets the same ones." },
  delay: { label: "One-way delay" },
};
export const SESSION = "Shared session";
export const SESSION_HINT = "only this page";
export const SESSION_TITLE = "a to z, 0 to 9 and -";
export const SESSION_TIP = "Pages with the same name here get the same messages, at the same rate, over the same network.";

export const PUBLISH = "Publish one";
export const PUBLISH_TIP = "The server publishes a message now. Watch which lane gets it when.";
export const FREEZE = "Freeze";
export const CONTINUE = "Continue";
export const FREEZE_TIP = "Freeze the picture. The race does not stop: what happens meanwhile waits.";
export const STEP = "Step";
export const STEP_TIP = "Show only the next thing that happened: a message is published, or arrives in a lane.";
export const RESET = "Reset counters";
export const RESET_TIP = "Start the comparison again. Changing a setting does so, too.";

export const unreachable = why => `The server can't be reached. Retrying every second. ${why}`.trim();
export const notReceiving = titles => (titles.length === 1 ? `${titles[0]} is not receiving. It is reconnecting.` : `${list(titles)} are not receiving. They are reconnecting.`);
export const FROZEN = "Frozen.";
export const FROZEN_MORE = "Step shows what came next.";
export const live = uncertainty_ms => `Live. Delays are exact to ±${duration(uncertainty_ms)}.`;
export const liveShared = (session, uncertainty_ms) => `Live, shared as “${session}”. Delays are exact to ±${duration(uncertainty_ms)}.`;

// The lanes
export const SINCE = "since it was published";
export const MEDIAN = "median delay";
export const BYTES = "bytes per message";
export const SETUP = "(set-up)";
export const REQUESTS = "requests";
export const EMPTY = "(empty)";
export const RECONNECTING = "reconnecting";
export const here = (received, published) => `${received} of ${published} here`;
export const missed = number => `${number} missed`;
export const lane = ({ title, received, published, median_ms }) => `${title}: ${received} of ${published} messages are here, median delay ${duration(median_ms)}`;

/** A time on the axis, and how many marks lie beyond it. */
export const tick = (ms, inSeconds) => (ms === 0 ? "0" : inSeconds ? `${+(ms / 1000).toFixed(2)} s` : `${+ms.toFixed(1)} ms`);
export const beyond = number => `${number} beyond ›`;
