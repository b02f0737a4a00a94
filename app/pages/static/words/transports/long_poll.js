// What the pages say about long polling.
import { messages, percent, round, sequence, size } from "../format.js";

const time = seconds => round(seconds * 1000);

export const arrows = {
  request: ({ after }) => (after ? `The browser polls: anything new since message ${after}? If not, the server holds the request.` : "The browser polls: any messages?"),
  empty: ({ bytes }) => `The hold time is up: the server sends an empty response, ${size(bytes)}.`,
  messages: ({ cursors, waited }) => (waited ? `The response brings ${messages(cursors)}, which waited ${waited} for the next request.` : `The held request gets its response at once, with ${messages(cursors)}.`),
};

export const published = ({ cursor, held }) => (held ? `Message ${sequence(cursor)} is published.` : `Message ${sequence(cursor)} is published while no request is at the server: it waits for the next one.`);

export const aside = () => "";

export const question = ({ hold_s, delay_s }) => `The server holds each request for up to ${time(hold_s)}. One-way delay: ${time(delay_s)}. How long does a message take on average?`;
export const because = ({ delay_s }, { waitingShare, most_s }) => `The response to a held request leaves at once, so a message takes the way down, ${time(delay_s)}. ${percent(waitingShare)} of the messages are published while no request is at the server, and wait for the next one: ${time(most_s)} in the worst case.`;

/** How one receives and sends in the chat. */
export const chat = () => "You receive through a held request, and send each message as a POST request.";
