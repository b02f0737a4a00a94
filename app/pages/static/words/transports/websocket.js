// What the pages say about WebSocket.
import { messages, round, sequence } from "../format.js";

const time = seconds => round(seconds * 1000);

export const arrows = {
  request: () => "The browser asks to upgrade this connection to WebSocket.",
  upgraded: () => "The server agrees: from now on, both sides can send frames at any time.",
  messages: ({ cursors }) => (cursors.length > 1 ? `${messages(cursors, true)} leave at once, each in a frame of its own.` : `${messages(cursors, true)} leaves at once, in a frame of its own.`),
};

export const published = ({ cursor, held }) => (held ? `Message ${sequence(cursor)} is published.` : `Message ${sequence(cursor)} is published while the browser is not connected: it waits.`);

export const aside = () => "";

/** What it means that WebSocket does not get through: { text, serious }. */
export const blocked = () => ({ text: "WebSocket is blocked on this network, so nothing can arrive. The page keeps trying.", serious: true });

export const question = ({ delay_s }) => `The connection is open, and both sides can send. One-way delay: ${time(delay_s)}. How long does a message take on average?`;
export const because = ({ delay_s }) => `It only takes the way down, ${time(delay_s)}. SSE is just as fast: WebSocket differs on the way up.`;

/** How one receives and sends in the chat. */
export const chat = () => "You receive and send frames on a single connection.";
