// What the pages say about short polling.
import { messages, round, sequence, size } from "../format.js";

const time = seconds => round(seconds * 1000);

/** What an arrow means, by its kind (live/arrow.js); kinds that are not here are in words/arrows.js. */
export const arrows = {
  request: ({ after }) => (after ? `The browser polls: anything new since message ${after}?` : "The browser polls: any messages?"),
  empty: ({ bytes }) => `The server responds at once: nothing new. This empty response took ${size(bytes)}.`,
  messages: ({ cursors, waited }) => (waited ? `The response brings ${messages(cursors)}, which waited ${waited} for the next request.` : `The response brings ${messages(cursors)}.`),
};

/** A message is published; `held`: a request is at the server, or a stream is open. */
export const published = ({ cursor, held }) => (held ? `Message ${sequence(cursor)} is published.` : `Message ${sequence(cursor)} is published. The server can't tell the browser: it waits for the next poll.`);

/** In brackets behind its name where it is slower in the race. */
export const aside = ({ pause }) => `pause ${pause} s`;

export const question = ({ pause_s, delay_s }) => `After each response the browser pauses for ${time(pause_s)}. One-way delay: ${time(delay_s)}. How long does a message take on average, from being published until it reaches the browser?`;
export const because = ({ pause_s, delay_s }, { most_s }) => `A message waits for the next poll to arrive: half the time between two polls on average. That is half of ${time(pause_s + 2 * delay_s)}, the pause plus one round trip. Then it travels down, which takes ${time(delay_s)}. The worst case is ${time(most_s)}.`;

/** How one receives and sends in the chat. */
export const chat = ({ pause_s }) => `You receive by polling every ${time(pause_s)}, and send each message as a POST request.`;
