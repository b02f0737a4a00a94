// What one transport has done so far, in the terms of the ladder diagram and the counters. Only the last of it is kept.

import { messages, sequence } from "../words/format.js";

const ARROWS_KEPT = 300;
export const MESSAGES_KEPT = 4000; // more than a session publishes while a poller pauses: 50 per second, 60 s
export const DELAYS_KEPT = 2000;
const MARKS_KEPT = 50;
const ONE_ARROW_MS = 2; // writes that leave together are drawn as one arrow

/** Whether a message's cursor is one that a reader at `place` will still get. */
const isAfter = (cursor, place) => epoch(cursor) === epoch(place) && Number(sequence(cursor)) > Number(sequence(place));

/** The log that a cursor belongs to: another one means that all is new, after a restart, say. */
export const epoch = cursor => cursor.slice(0, cursor.lastIndexOf("-"));

/** The middle of some numbers; NaN of none. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

export class Model {
  arrows = []; // { id, connection, direction, at_ms, arrives_ms, pieces, label, tone }
  holds = []; // { connection, number, from_ms, to_ms or null, endless }: questions at the server
  messages = new Map(); // cursor -> { cursor, published_ms, sent_ms, arrived_ms }
  marks = []; // { at_ms, text }: what else happened
  until_ms = 0; // the last moment that anything here tells of
  #made = 0;

  constructor() { this.reset(0); }

  /** Count from now on: what crosses the socket, and messages that are published. */
  reset(at_ms) {
    this.since_ms = at_ms;
    this.counts = { requests: 0, empty: 0, connections: new Set(), up: 0, down: 0, messages: 0, ended: 0 };
    this.delays_ms = [];
  }

  get bytesPerMessage() { return (this.counts.up + this.counts.down) / this.counts.messages; }

  /** A decoded piece (wire/sockets.js). Returns its arrow. */
  piece(piece) {
    const { connection, direction, at_ms, arrives_ms, bytes, facts } = piece;
    if (at_ms >= this.since_ms) {
      this.counts[direction] += bytes.length;
      this.counts.connections.add(connection);
    }
    this.until_ms = Math.max(this.until_ms, arrives_ms);
    let arrow = this.arrows.at(-1);
    if (this.joins(piece)) arrow.pieces.push(piece);
    else {
      arrow = { id: ++this.#made, connection, direction, at_ms, arrives_ms, pieces: [piece] };
      this.#keep(this.arrows, arrow, ARROWS_KEPT);
    }
    for (const fact of facts) this.#learn(fact, piece);
    Object.assign(arrow, describe(arrow));
    return arrow;
  }

  /** Whether a piece left together with the last arrow, and is drawn as one with it. */
  joins({ connection, direction, at_ms }) {
    const last = this.arrows.at(-1);
    return last?.connection === connection && last.direction === direction && at_ms - last.at_ms < ONE_ARROW_MS;
  }

  #learn(fact, { connection, at_ms, arrives_ms }) {
    const hold = () => this.holds.findLast(hold => hold.connection === connection && hold.number === fact.number);
    if (fact.type === "request") {
      const counted = at_ms >= this.since_ms;
      this.counts.requests += counted;
      this.#keep(this.holds, { connection, number: fact.number, from_ms: arrives_ms, to_ms: null, endless: false, counted }, MARKS_KEPT);
    } else if (fact.type === "answer") {
      const answered = hold();
      if (answered) answered.endless = fact.status === 101 || /event-stream/.test(fact.contentType ?? "");
      if (answered && !answered.endless) answered.to_ms = at_ms;
    } else if (fact.type === "answer_end") {
      const answered = hold();
      if (answered) answered.to_ms = at_ms;
      this.counts.empty += fact.empty && (answered?.counted ?? true) && at_ms >= this.since_ms;
      for (const cursor of fact.messages) this.#sent(cursor, at_ms);
    } else if (fact.type === "message") {
      this.#sent(fact.cursor, at_ms);
    }
  }

  #sent(cursor, at_ms) { this.#message(cursor).sent_ms ??= at_ms; }

  published({ cursor, published_ms }) {
    this.until_ms = Math.max(this.until_ms, published_ms);
    this.#message(cursor).published_ms = published_ms;
  }

  /** A message reached the page's own code. */
  arrived({ cursor, published_ms }, at_ms) {
    this.until_ms = Math.max(this.until_ms, at_ms);
    Object.assign(this.#message(cursor), { published_ms, arrived_ms: at_ms });
    this.counts.messages++;
    if (published_ms >= this.since_ms) this.#keep(this.delays_ms, at_ms - published_ms, DELAYS_KEPT);
  }

  /** The server has nothing more up to `cursor`: what has not arrived of it never will. Returns how many we counted on. */
  missed(cursor, at_ms, text) {
    const gone = [...this.messages.values()].filter(message => message.arrived_ms === null && !isAfter(message.cursor, cursor));
    for (const message of gone) this.messages.delete(message.cursor);
    this.mark(at_ms, text);
    return gone.filter(message => message.published_ms >= this.since_ms).length;
  }

  /** What is known of a message; news of it comes in any order. */
  #message(cursor) {
    if (!this.messages.has(cursor)) {
      this.messages.set(cursor, { cursor, published_ms: null, sent_ms: null, arrived_ms: null });
      if (this.messages.size > MESSAGES_KEPT) this.messages.delete(this.messages.keys().next().value);
    }
    return this.messages.get(cursor);
  }

  closed(connection, at_ms) {
    // Another one that carries on makes up for it: Socket.IO's polling is over once its WebSocket is there.
    const isLoss = !this.holds.some(hold => hold.connection !== connection && hold.to_ms === null);
    for (const hold of this.holds) if (hold.connection === connection) hold.to_ms ??= at_ms;
    for (const arrow of this.arrows) if (arrow.connection === connection && arrow.direction === "down" && arrow.arrives_ms > at_ms) this.#lost(arrow, at_ms);
    if (!isLoss) return;
    this.counts.ended += at_ms >= this.since_ms;
    this.mark(at_ms, "the connection ends");
  }

  /** What was written but had not left when the connection ended: it never will. */
  #lost(arrow, at_ms) {
    Object.assign(arrow, { lost_ms: at_ms, label: `${arrow.label} · lost`, tone: "lost" });
    for (const piece of arrow.pieces) {
      if (piece.at_ms >= this.since_ms) this.counts.down -= piece.bytes.length;
      for (const cursor of piece.facts.flatMap(fact => fact.messages ?? (fact.type === "message" ? [fact.cursor] : []))) this.#message(cursor).sent_ms = null;
    }
  }

  /** The server is lost, and with it every question that it held. */
  offline(at_ms, text) {
    for (const hold of this.holds) hold.to_ms ??= at_ms;
    this.mark(at_ms, text);
  }

  mark(at_ms, text) {
    this.until_ms = Math.max(this.until_ms, at_ms);
    this.#keep(this.marks, { at_ms, text }, MARKS_KEPT);
  }

  #keep(list, one, most) {
    list.push(one);
    if (list.length > most) list.shift();
  }
}

/** What an arrow is called in the ladder, and how it is drawn: { label, tone }, tone one of ask, news, empty, other. */
export function describe({ direction, pieces }) {
  const facts = pieces.flatMap(piece => piece.facts);
  const has = type => facts.find(fact => fact.type === type);
  const cursors = facts.flatMap(fact => (fact.type === "message" ? [fact.cursor] : fact.type === "answer_end" ? fact.messages : []));
  const request = has("request"), answer = has("answer"), end = has("answer_end"), missed = has("missed") || end?.missed;
  const named = Object.keys(PACKETS[direction]).find(has);
  if (request) return { label: [asked(request), named && PACKETS.up[named]].filter(Boolean).join(" · "), tone: "ask" };
  if (direction === "up") return { label: PACKETS.up[named] ?? "bytes", tone: "other" };
  const status = answer ? `${answer.status}` : "";
  const news = cursors.length ? messages(cursors) : "";
  const said = [status, missed && "some were missed", news].filter(Boolean).join(" · ");
  if (news || missed) return { label: said, tone: "news" };
  if (end?.empty) return { label: `${status || "answer"} · nothing new`, tone: "empty" };
  if (has("upgrade")) return { label: "101 · from here on, frames", tone: "other" };
  if (has("position")) return { label: `${status ? `${status} · ` : ""}you are at …-${sequence(has("position").cursor)}`, tone: "other" };
  if (named) return { label: [status, PACKETS.down[named]].filter(Boolean).join(" · "), tone: QUIET.has(named) ? "empty" : "other" };
  return { label: status || "more bytes", tone: "other" };
}

/** What a packet, or a frame, is called; the first that is there names the arrow. */
const PACKETS = {
  up: { close: "close", goodbye: "goodbye", probe: "2probe: does it get through?", switch: "5: upgrade, from here on frames", connect: "connect", publish: "a message from the browser", pong: "pong" },
  down: { handshake: "a session", probe: "3probe: it does", connect: "connected", refused: "refused", acknowledged: "acknowledged", noop: "noop", heartbeat: "heartbeat", ping: "ping", pong: "pong", close: "close", goodbye: "goodbye" },
};
const QUIET = new Set(["noop", "heartbeat", "ping", "pong", "close"]);

/** `GET /long-poll?after=…4&hold=25`: the session's part of the path and the epoch in the cursor are left out. */
function asked({ method, target, lastEventId }) {
  const [path, query] = target.replace(/^\/s\/[^/]+\/[^/]+/, "").split("?");
  if (path === "/socket.io/") return method === "GET" ? `GET ${path} · ${visit(query)}` : `${method} ${path}`;
  if (lastEventId) return `${method} ${path} · Last-Event-ID: …${sequence(lastEventId)}`;
  return `${method} ${path}${query ? `?${query.replace(/[0-9a-z]+-(?=\d)/, "…")}` : ""}`;
}

/** What a GET to Socket.IO is for: "handshake", "poll" or "upgrade". */
export function visit(query) {
  const asked = new URLSearchParams(query);
  return asked.get("transport") === "websocket" ? "upgrade" : asked.has("sid") ? "poll" : "handshake";
}
