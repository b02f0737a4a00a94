// What one transport has done so far, in the terms of the ladder diagram and the counters. Only the last of it is kept.
// It holds facts; what they are called is in words/.

import { classify, toneOf } from "./arrow.js";
import { sequence } from "../words/format.js";

const ARROWS_KEPT = 300;
const HOLDS_KEPT = ARROWS_KEPT; // a bar for each request that has an arrow
export const MESSAGES_KEPT = 4000; // more than a session publishes while a poller pauses: 50 per second, 60 s
export const DELAYS_KEPT = 2000;
const MARKS_KEPT = 50;
const ONE_ARROW_MS = 2; // writes that leave together are drawn as one arrow

/** Whether a message's cursor is one that a reader at `position` will still get. */
const isAfter = (cursor, position) => epoch(cursor) === epoch(position) && Number(sequence(cursor)) > Number(sequence(position));

/** The log that a cursor belongs to: another one has begun with a restart, say. */
export const epoch = cursor => cursor.slice(0, cursor.lastIndexOf("-"));

/** The middle of some numbers; NaN of none. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

export class Model {
  arrows = []; // { id, connection, direction, at_ms, arrives_ms, pieces, tone, lost_ms } and what classify() says
  holds = []; // { connection, number, from_ms, to_ms or null, endless }: requests at the server
  messages = new Map(); // cursor -> { cursor, published_ms, sent_ms, arrived_ms }
  marks = []; // { at_ms, kind, ... }: what else happened, see words/marks.js
  until_ms = 0; // the last moment of anything here
  setup = () => []; // which kinds of arrows set up a connection: a transport's `setup`, with its settings
  #made = 0;

  constructor() { this.reset(0); }

  /** Count from now on: what crosses the socket, and messages that are published. A message counts if its bytes do. */
  reset(at_ms) {
    this.since_ms = at_ms;
    this.counts = { requests: 0, empty: 0, connections: new Set(), up: 0, down: 0, setup: 0, sent: 0, messages: 0, ended: 0 };
    this.delays_ms = [];
    for (const arrow of this.arrows) arrow.setup = 0;
  }

  /** Of those that are sent, for so are their bytes; without what it took to set up connections. */
  get bytesPerMessage() { return (this.counts.up + this.counts.down - this.counts.setup) / this.counts.sent; }

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
      arrow = { id: ++this.#made, connection, direction, at_ms, arrives_ms, pieces: [piece], setup: 0 };
      this.#keep(this.arrows, arrow, ARROWS_KEPT);
    }
    for (const fact of facts) this.#learn(fact, piece);
    const what = classify(direction, arrow.pieces.flatMap(piece => piece.facts));
    Object.assign(arrow, what, { tone: toneOf(what) });
    const kinds = this.setup(), isSetup = facts => kinds.includes(classify(direction, facts).kind);
    // A message may leave together with what sets up its connection.
    this.#countSetup(arrow, kinds.includes(what.kind) ? arrow.pieces : arrow.pieces.filter(({ facts }) => isSetup(facts)));
    return arrow;
  }

  /** Of an arrow's bytes, those of these pieces are set-up, and no others. */
  #countSetup(arrow, pieces) {
    const setup = pieces.filter(piece => piece.at_ms >= this.since_ms).reduce((sum, piece) => sum + piece.bytes.length, 0);
    this.counts.setup += setup - arrow.setup;
    arrow.setup = setup;
  }

  /** Whether a piece left together with the last arrow, and is drawn as part of it. */
  joins({ connection, direction, at_ms }) {
    const last = this.arrows.at(-1);
    return last?.connection === connection && last.direction === direction && at_ms - last.at_ms < ONE_ARROW_MS;
  }

  #learn(fact, { connection, at_ms, arrives_ms }) {
    const hold = () => this.holds.findLast(hold => hold.connection === connection && hold.number === fact.number);
    if (fact.type === "request") {
      const counted = at_ms >= this.since_ms;
      this.counts.requests += counted;
      this.#keep(this.holds, { connection, number: fact.number, from_ms: arrives_ms, to_ms: null, endless: false, counted }, HOLDS_KEPT);
    } else if (fact.type === "response") {
      const request = hold();
      if (request) request.endless = fact.status === 101 || /event-stream/.test(fact.contentType ?? "");
      if (request && !request.endless) request.to_ms = at_ms;
    } else if (fact.type === "response_end") {
      const request = hold();
      if (request) request.to_ms = at_ms;
      this.counts.empty += fact.empty && (request?.counted ?? true) && at_ms >= this.since_ms;
      for (const cursor of fact.messages) this.#sent(cursor, at_ms);
    } else if (fact.type === "message") {
      this.#sent(fact.cursor, at_ms);
    }
  }

  #sent(cursor, at_ms) {
    const message = this.#message(cursor);
    if (message.sent_ms === null) this.counts.sent += at_ms >= this.since_ms;
    message.sent_ms ??= at_ms;
    this.#countMessage(message);
  }

  /** Once it has been sent and has arrived, whichever is known first. */
  #countMessage(message) {
    if (message.counted || message.sent_ms === null || message.arrived_ms === null) return;
    message.counted = true;
    this.counts.messages += message.sent_ms >= this.since_ms;
  }

  published({ cursor, published_ms }) {
    this.until_ms = Math.max(this.until_ms, published_ms);
    this.#message(cursor).published_ms = published_ms;
  }

  /** A message reached the page's own code. */
  arrived({ cursor, published_ms }, at_ms) {
    this.until_ms = Math.max(this.until_ms, at_ms);
    const message = Object.assign(this.#message(cursor), { published_ms, arrived_ms: at_ms });
    this.#countMessage(message);
    if (published_ms >= this.since_ms) this.#keep(this.delays_ms, at_ms - published_ms, DELAYS_KEPT);
  }

  /** The server has nothing more up to `cursor`: what has not arrived by then never will. Returns how many that we counted. */
  missed(cursor, mark) {
    const gone = [...this.messages.values()].filter(message => message.arrived_ms === null && !isAfter(message.cursor, cursor));
    for (const message of gone) this.messages.delete(message.cursor);
    this.mark(mark);
    return gone.filter(message => message.published_ms >= this.since_ms).length;
  }

  /** What is known of a message; it becomes known in any order. */
  #message(cursor) {
    if (!this.messages.has(cursor)) {
      this.messages.set(cursor, { cursor, published_ms: null, sent_ms: null, arrived_ms: null, counted: false });
      if (this.messages.size > MESSAGES_KEPT) this.messages.delete(this.messages.keys().next().value);
    }
    return this.messages.get(cursor);
  }

  closed(connection, at_ms) {
    // It is no loss if another connection carries on: Socket.IO's polling is over once its WebSocket is there.
    const isLoss = !this.holds.some(hold => hold.connection !== connection && hold.to_ms === null);
    for (const hold of this.holds) if (hold.connection === connection) hold.to_ms ??= at_ms;
    for (const arrow of this.arrows) if (arrow.connection === connection && arrow.direction === "down" && arrow.arrives_ms > at_ms) this.#lost(arrow, at_ms);
    if (!isLoss) return;
    this.counts.ended += at_ms >= this.since_ms;
    this.mark({ at_ms, kind: "connection_closed" });
  }

  /** What was written but had not left when the connection closed: it never will. */
  #lost(arrow, at_ms) {
    Object.assign(arrow, { lost_ms: at_ms, tone: "lost" });
    this.#countSetup(arrow, []);
    for (const piece of arrow.pieces) {
      const counted = piece.at_ms >= this.since_ms;
      if (counted) this.counts.down -= piece.bytes.length;
      for (const cursor of piece.facts.flatMap(fact => fact.messages ?? (fact.type === "message" ? [fact.cursor] : []))) {
        const message = this.#message(cursor);
        if (message.sent_ms !== piece.at_ms) continue; // it was sent before, or again
        message.sent_ms = null;
        if (counted) this.counts.sent--;
      }
    }
  }

  /** The server is lost, and with it every request that it held. */
  offline(mark) {
    for (const hold of this.holds) hold.to_ms ??= mark.at_ms;
    this.mark(mark);
  }

  mark(mark) {
    this.until_ms = Math.max(this.until_ms, mark.at_ms);
    this.#keep(this.marks, mark, MARKS_KEPT);
  }

  #keep(list, one, most) {
    list.push(one);
    if (list.length > most) list.shift();
  }
}
