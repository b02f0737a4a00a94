// What the pages say about server-sent events.
import { messages, round, sequence } from "../format.js";

const time = seconds => round(seconds * 1000);

export const arrows = {
  request: () => "The browser opens the stream with a single request.",
  resume: ({ lastEventId }) => `The browser reconnects by itself and says that it has seen message ${sequence(lastEventId)}.`,
  response: () => "The response begins, and stays open.",
  position: () => "The response begins, and stays open. Its first lines say where the browser is in the log.",
  messages: ({ cursors }) => (cursors.length > 1 ? `${messages(cursors, true)} leave at once, as more of the open response.` : `${messages(cursors, true)} leaves at once, as more of the open response.`),
};

export const published = ({ cursor, held }) => (held ? `Message ${sequence(cursor)} is published.` : `Message ${sequence(cursor)} is published while the browser is not connected: it waits.`);

export const aside = () => "";

export const question = ({ delay_s }) => `The response never ends. One-way delay: ${time(delay_s)}. How long does a message take on average?`;
export const because = ({ delay_s }) => `It only takes the way down, ${time(delay_s)}: no request has to come first.`;

/** How one receives and sends in the chat. */
export const chat = () => "You receive through a response that never ends, and send each message as a POST request.";
