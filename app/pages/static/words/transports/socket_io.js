// What the pages say about Socket.IO.
import { messages, percent, round, sequence } from "../format.js";

const time = seconds => round(seconds * 1000);

export const arrows = {
  handshake_request: () => "The browser asks Socket.IO for a session, with a plain request.",
  poll_request: () => "The browser polls: anything new? If not, the server holds the request.",
  upgrade_request: () => "The browser also asks for a WebSocket, to see whether one gets through.",
  upgraded: () => "The server agrees: frames can cross this connection.",
  handshake: () => "The server opens a session and offers to upgrade it to WebSocket.",
  connect: () => "The browser connects to Socket.IO with a POST, and says where it was.",
  connected: () => "Socket.IO is connected.",
  position: () => "Socket.IO is connected: the server says where the browser is in the log.",
  probe: () => "A probe: does this WebSocket work?",
  probe_ok: () => "It works: the server responds to the probe.",
  noop: () => "The held poll gets an empty response: polling is over.",
  switch: () => "Upgrade: from now on, everything goes over the WebSocket.",
  ping: () => "A heartbeat: is the browser still there?",
  pong: () => "The browser responds to the heartbeat.",
  messages: ({ cursors, waited, status }) => waited ? `The response brings ${messages(cursors)}, which waited ${waited} for the next request.`
    : status ? `The held request gets its response at once, with ${messages(cursors)}.`
    : cursors.length > 1 ? `${messages(cursors, true)} leave at once, each in a frame of its own.`
    : `${messages(cursors, true)} leaves at once, in a frame of its own.`,
};

export const published = ({ cursor, held }) => (held ? `Message ${sequence(cursor)} is published.` : `Message ${sequence(cursor)} is published while no request is at the server: it waits for the next one.`);

export const aside = () => "";

export const blocked = ({ via }) => via === "websocket" ? { text: "WebSocket is blocked on this network, so nothing can arrive. Socket.IO keeps trying.", serious: true }
  : via === "polling" ? { text: "WebSocket is blocked on this network. Socket.IO only polls anyway: no message is lost.", serious: false }
  : { text: "WebSocket is blocked on this network: Socket.IO stays with polling, and no message is lost.", serious: false };

/** When it polls. */
export const polled = {
  question: ({ delay_s }) => `Socket.IO polls: the server holds each request until there is a message. One-way delay: ${time(delay_s)}. How long does a message take on average?`,
  because: ({ delay_s }, { waitingShare, most_s }) => `This is long polling. The response to a held request leaves at once, so a message takes the way down, ${time(delay_s)}. ${percent(waitingShare)} of the messages are published while no request is at the server, and wait for the next one: ${time(most_s)} in the worst case. Socket.IO adds 14 bytes per message to the request and the response.`,
};

/** When it has upgraded to WebSocket. */
export const pushed = {
  question: ({ delay_s }) => `Socket.IO has upgraded to WebSocket. One-way delay: ${time(delay_s)}. How long does a message take on average?`,
  because: ({ delay_s }) => `It is a WebSocket now: a message only takes the way down, ${time(delay_s)}. Socket.IO adds 14 bytes per message to the frame's own header of 2 to 4.`,
};

/** How one receives and sends in the chat. */
export const chat = () => "You receive and send events: over a WebSocket if it gets through, otherwise through held requests and POSTs.";
