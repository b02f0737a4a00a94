/**
 * Socket.IO's packets, explained. There are two layers, and each writes a digit in front of what it carries:
 *
 *     4  2  ["message",{"cursor":...}]      Engine.IO: 4, a message; Socket.IO: 2, an event, its name, what it carries
 *     2  probe                              Engine.IO: 2, a ping; with it, the client tries whether WebSocket works
 *
 * A WebSocket's frame has one packet; a poll's answer, or a POST's body, has any number, with a byte 0x1e between two.
 */
import { Kept, Nesting, parse } from "./json.js";

const HEAD_MAX = 40; // characters of a packet by which it is known what it is
const SEPARATOR = 0x1e;

/** What is between the digits and the JSON of an event: perhaps a number that asks for an acknowledgement, and its name. */
const EVENT = /^42\d*\["(\w+)",/;

export class Packets {
  #facts = [];

  constructor() { this.#begin(); }

  #begin() {
    this.head = "";
    this.said = new Kept();
    this.nesting = new Nesting();
    this.refused = null; // of an acknowledgement: whether it is one
  }

  /** Some more bytes, as [{ size, kind, note }]. Throws where no packet can begin like this. */
  read(bytes) {
    const runs = [];
    let start = 0;
    bytes.forEach((byte, at) => {
      const separates = byte === SEPARATOR;
      const [kind, note] = separates ? NEXT_PACKET : this.#kind(byte, bytes[at + 2]);
      if (separates) {
        this.said.add(bytes.subarray(start, at));
        this.#end();
        start = at + 1;
      }
      const last = runs.at(-1);
      if (last?.kind === kind && last.note === note) last.size++;
      else runs.push({ size: 1, kind, note });
    });
    this.said.add(bytes.subarray(start));
    return runs;
  }

  /** The last packet is over. Returns the facts of all: see connection.js. */
  end() {
    this.#end();
    return this.#facts;
  }

  /** What a byte is; `inTwo` is the one after the next, if it is here: the `e` of {"error":...}. */
  #kind(byte, inTwo) {
    const { head: before } = this, depth = this.nesting.depth(byte);
    if (before.length < HEAD_MAX) this.head += String.fromCharCode(byte);
    const [engine, socket] = this.head;
    if (!before) return ["engine_io", known(ENGINE, engine)];
    if (engine !== "4") return ["engine_io", socket === "p" ? PROBE : engine === "0" ? SESSION : "more of this packet"];
    const note = known(SOCKET, socket);
    if (depth < 2) return ["socket_io", note];
    if (socket === "3") return (this.refused ??= inTwo === 0x65) ? ["socket_io", "why it is refused"] : MESSAGE;
    const name = EVENT.exec(before)?.[1];
    if (name === "message") return MESSAGE;
    if (name === "publish") return ["publication", "what the client publishes"];
    return ["socket_io", EVENTS[name] ?? note];
  }

  #end() {
    const { text } = this.said;
    if (text) this.#facts.push(fact(text));
    this.#begin();
  }
}

/** What a packet says. */
function fact(packet) {
  const json = parse(packet.slice(packet.search(/[[{]/)));
  if (packet[0] === "0") return { type: "handshake", upgrades: json.upgrades ?? [] };
  if (packet[0] !== "4") return { type: { 1: "goodbye", 2: "ping", 3: "pong", 5: "switch", 6: "noop" }[packet[0]], ...(packet.slice(1) === "probe" && { type: "probe" }) };
  if (packet[1] === "0") return { type: "connect", after: json.after ?? null };
  if (packet[1] === "1") return { type: "goodbye" };
  if (packet[1] === "3") return { type: "acknowledged", error: json[0]?.error };
  if (packet[1] === "4") return { type: "refused", why: json.message };
  const [name, news] = Array.isArray(json) ? json : [];
  if (name === "message" && news?.cursor) return { type: "message", cursor: news.cursor };
  if (name === "cursor" && news?.cursor) return { type: "position", cursor: news.cursor };
  if (name === "missed" && news?.cursor) return { type: "missed", reason: news.reason, cursor: news.cursor };
  return { type: name === "publish" ? "publish" : "unknown" };
}

function known(notes, digit) {
  if (!(digit in notes)) throw new Error("no packet");
  return notes[digit];
}

export const MESSAGE = ["message", "a message, as JSON: the same in every transport"];
const NEXT_PACKET = ["engine_io", "0x1e: one packet ends, the next begins"];
const SESSION = "the session's name (sid), what it could change to (upgrades), and how often the heartbeat comes (pingInterval, in ms)";
const PROBE = "probe: does it get through this way too?";
const ENGINE = {
  0: "0, open: Engine.IO begins a session",
  1: "1, close: the session ends",
  2: "2, ping: is the other side there?",
  3: "3, pong: yes, it is",
  4: "4, a message of Engine.IO: what follows is for the layer above, Socket.IO",
  5: "5, upgrade: from here on, all goes this way",
  6: "6, noop: nothing at all, only so that the held question is answered",
};
const SOCKET = {
  0: "0, connect: who connects may say something, here where it was; the answer is a name (sid) of its own",
  1: "1, disconnect: who says this leaves",
  2: "2, an event of Socket.IO: a number if it is to be acknowledged; a list of its name and what it carries",
  3: "3, an acknowledgement: the number of the event that it answers, and a list",
  4: "4, connect error: the connection is refused, and why",
};
const EVENTS = {
  cursor: "where this reader stands",
  missed: "messages were missed: why, and where reading goes on",
};
