// What just happened, in one sentence, for somebody who sees this for the first time.
import { visit } from "../live/model.js";
import { bytesIn } from "../draw/wire_view.js";
import { capital, duration, messages, sequence, size } from "./format.js";

const AT_ONCE_MS = 20;

/** A sentence about some news (what, value; a piece decoded), after `model` has learned it; empty if it is not worth one. `secret`: how long it took is not said. */
export function narrate(transport, what, value, model, secret = false) {
  if (what === "piece") return piece(transport, value, model);
  if (what === "published") return published(transport, value, model);
  if (what === "arrived" && secret) return `Message ${sequence(value.message.cursor)} is in the browser.`;
  if (what === "arrived") return `Message ${sequence(value.message.cursor)} is in the browser, ${duration(value.at_ms - value.message.published_ms)} after it was published.`;
  if (what === "closed") return "The connection ends.";
  if (what === "mark") return `${capital(value.text)}.`;
  return "";
}

function piece(transport, { direction, facts }, model) {
  const has = type => facts.find(fact => fact.type === type);
  const request = has("request"), end = has("answer_end"), answer = has("answer");
  if (end?.messages.length) return brings(transport, end.messages, model);
  if (answer?.status === 400) return "Refused: WebSocket does not get through.";
  const packet = transport === "socket_io" && Object.keys(PACKETS[direction]).find(has);
  if (packet) return PACKETS[direction][packet];
  if (request) return asks(transport, request);
  if (end?.empty) {
    const nothing = `nothing new, in ${size(bytesIn(model.arrows.at(-1)))}`;
    return transport === "short_poll" ? `The server answers at once: ${nothing}.` : `The server gives the question back: ${nothing}.`;
  }
  const pushed = facts.filter(fact => fact.type === "message").map(fact => fact.cursor);
  if (pushed.length) return `${capital(messages(pushed))} ${pushed.length > 1 ? "leave" : "leaves"} at once, ${transport === "sse" ? "as some more of the answer that never ends" : "in a frame of its own"}.`;
  if (has("upgrade")) return "The server agrees: from here on, both sides may send frames when they like.";
  if (answer && transport === "sse") return "The answer begins, and will not end.";
  if (has("missed") || end?.missed) return "The server says that some messages were missed.";
  if (has("position")) return "The server says where the browser stands.";
  if (has("heartbeat") || has("ping")) return "A heartbeat: the connection is still there.";
  if (has("close")) return "One side says goodbye.";
  return "";
}

/** What Socket.IO's packets do before the first message, and beside them. */
const PACKETS = {
  up: {
    connect: "The browser says, by a request of its own, where it was.",
    probe: "The probe: does WebSocket get through?",
    switch: "Upgrade: from here on, all goes in frames over the WebSocket.",
    pong: "The browser answers the heartbeat.",
    goodbye: "The browser says goodbye.",
  },
  down: {
    handshake: "The server begins a session, and says that it could be a WebSocket.",
    probe: "It does get through: the probe is answered.",
    position: "It is connected: the server says where the browser stands.",
    noop: "The held question is given back, with nothing in it: the polling is over.",
    refused: "The server refuses, and says why.",
    ping: "A heartbeat: is the browser still there?",
  },
};

function asks(transport, { target, lastEventId }) {
  const after = new URLSearchParams(target.split("?")[1]).get("after");
  const last = after && sequence(after);
  const news = last === "0" || !after ? "is there anything?" : `is there anything after message ${last}?`;
  if (transport === "short_poll") return `The browser asks: ${news}`;
  if (transport === "long_poll") return `The browser asks: ${news} If not, it will wait.`;
  if (transport === "sse" && lastEventId) return `The browser comes back by itself, and says that it has seen message ${sequence(lastEventId)}.`;
  if (transport === "sse") return "The browser asks for the stream, this once.";
  if (transport === "socket_io") return VISITS[visit(target.split("?")[1])] ?? "";
  return "The browser asks to change the protocol of this connection to WebSocket.";
}

const VISITS = {
  handshake: "The browser asks Socket.IO for a session, with a plain request.",
  poll: "It polls: is there anything? If not, the server holds the question.",
  upgrade: "It asks for a WebSocket: this would be the better way.",
};

function brings(transport, cursors, model) {
  const numbers = messages(cursors);
  const known = cursors.map(cursor => model.messages.get(cursor)).filter(Boolean);
  const waited_ms = Math.max(0, ...known.map(({ published_ms, sent_ms }) => sent_ms - published_ms));
  if (waited_ms > AT_ONCE_MS) return `The answer brings ${numbers}, which waited ${cursors.length > 1 ? "up to " : ""}${duration(waited_ms)} for a question.`;
  return transport === "long_poll" || transport === "socket_io" ? `The held question is answered at once, with ${numbers}.` : `The answer brings ${numbers}.`;
}

function published(transport, { cursor }, model) {
  const number = sequence(cursor);
  const held = model.holds.some(hold => hold.to_ms === null);
  if (held) return `Message ${number} is published.`;
  if (transport === "short_poll") return `Message ${number} is published. Nobody tells the browser: it waits for the next question.`;
  const asks = transport === "long_poll" || transport === "socket_io";
  return `Message ${number} is published while the browser is not ${asks ? "asking" : "connected"}: it waits.`;
}
