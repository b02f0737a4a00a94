// A transport's page: controls, notices, counters, the prediction.
import { duration, round, size } from "./format.js";

/** The text of a message that somebody publishes by hand. */
export const publishedByHand = date => `published by hand at ${date.toLocaleTimeString("en-GB")}`;

// The sections' names, for screen readers
export const CONTROLS = "Controls";
export const LADDER = "Ladder diagram";
export const WIRE = "On the wire";
export const COUNTERS = "Counters";
export const DELAYS = "Delays";
export const PREDICT = "Predict";

export const PUBLISH = "Publish one";
export const PUBLISH_TIP = "The server publishes a message now. Watch how it gets here.";
export const CUT = "Cut";
export const CUT_TIP = "Break this page's connections without a goodbye, as a failing network does.";
export const STOP = "Stop";
export const CONTINUE = "Continue";
export const STOP_TIP = "Stop the picture. The wire does not stop: what happens meanwhile waits.";
export const STEP = "Step";
export const STEP_TIP = "Show only the next thing that happened.";
export const CLOSER_TIP = "Zoom in: the picture spans less time.";
export const FURTHER_TIP = "Zoom out: the picture spans more time.";
export const RESET = "Reset counters";
export const RESET_TIP = "Set the counters to zero. Changing a setting resets them, too.";

export const span = seconds => `${seconds} s`;
export const stopped = waiting => (waiting ? `${waiting} waiting` : "stopped");

/** What is wrong, or what one should know. */
export const unreachable = why => `The server can't be reached. Retrying every second. ${why}`.trim();
export const notReceiving = why => (why ? `Not receiving: ${why}. Reconnecting.` : "Not receiving yet: connecting.");
export const shared = session => `Shared as “${session}”: everybody gets the same messages, rate and network.`;

/** The tiles: what is counted. */
export const TILES = {
  requests: "requests",
  empty: "empty responses",
  connections: "connections",
  messages: "messages",
  up: "bytes up",
  down: "bytes down",
  "per-message": "per message",
  delay: "last delay",
  median: "median delay",
};
export const SECRET = "?";

/** What they count, and how exactly. */
export const counted = ({ over_s, setup, uncertainty_ms }) => setup
  ? `TCP payload bytes, counted for ${over_s} s. Set-up took ${size(setup)}, which “per message” leaves out. Delays are exact to ±${duration(uncertainty_ms)}.`
  : `TCP payload bytes, counted for ${over_s} s. Delays are exact to ±${duration(uncertainty_ms)}.`;

export const GUESS = "What do you think?";
export const JUST_SHOW = "Just show me";
export const HOW_LONG = "How long messages take";
export const RIGHT = "Right.";
export const WRONG = "Not quite.";
export const ASK_AGAIN = "Ask me again";
export const option = seconds => round(seconds * 1000);
export const ON_TOP = "The browser and the server each add a little on top.";
export const lost = times => (times === 1 ? "The connection was lost once: messages published before it was back had to wait." : `The connection was lost ${times} times: messages published before it was back had to wait.`);
