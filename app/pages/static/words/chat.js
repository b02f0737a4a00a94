// Everything that the chat says, but for what a transport brings with it (words/transports); whole sentences of facts.
import { html } from "htm/preact";
import { PALETTE } from "../draw/marker.js";
import { duration, size } from "./format.js";

const title = transport => PALETTE[transport].title;

export const YOU = "You";
export const YOUR_NAME = "Your name";
export const ANY_NAME = "Nobody checks names: anybody can use any name.";
export const NAME_FIRST = "Enter a name first: any name will do.";
export const RECEIVE_OVER = "You receive over";
export const JOIN = "Join";
export const LEAVE = "Leave";

export const present = people => `${people} present`;

export const LOG = "Messages";
export const nothingYet = joined => (joined ? "No messages yet." : "Join to see recent messages.");
export const NO_NAME = "(no name)";
export const OWN = "(you)";
export const BEFORE = "before you joined";

export const MESSAGE = "Your message";
export const SAY = "Write a message";
export const JOIN_FIRST = "Join first";
export const SEND = "Send";
export const CUT = "Cut my connection";
export const SEND_AGAIN = "Send again";
export const DISCARD = "Discard";

/** Why a message may not have been sent, where the server has not said why. */
const UNSURE = {
  changed: "you switched transports at that moment",
  lost: "the connection was lost at that moment",
  left: "you left at that moment",
};

/** What becomes of a message that is not in the log yet. */
export const UNSENT = {
  waiting: () => "waiting for the connection",
  sent: () => "sending",
  failed: why => `possibly not sent: ${UNSURE[why] ?? why}`,
};

/** How long a message took, since it was published; or one's own, `own_ms`, since Enter was pressed. */
export const took = ({ over, own_ms, took_ms }) => (own_ms === null
  ? html`over ${title(over)} in <b>${duration(took_ms)}</b>`
  : html`over ${title(over)} <b>${duration(own_ms)}</b> after Enter`);

export const cost = ({ requests, bytes }) => (requests === 1 ? `So far: 1 request, ${size(bytes)}` : `So far: ${requests} requests, ${size(bytes)}`);

/** The state of the connection. */
export const STATUS = {
  outside: () => "You have not joined.",
  coming: ({ transport }) => `Connecting over ${title(transport)} …`,
  there: ({ transport }) => `Connected over ${title(transport)}.`,
  lost: ({ transport, why }) => (why
    ? `No connection over ${title(transport)} (${why}). Reconnecting; what you write waits until then.`
    : `No connection over ${title(transport)}. Reconnecting; what you write waits until then.`),
};
