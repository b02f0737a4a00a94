/**
 * Socket.IO's packets, named. There are two layers, and each writes a digit in front of what it carries:
 *
 *     4  2  ["message",{"cursor":...}]      Engine.IO: 4, a message; Socket.IO: 2, an event, its name, what it carries
 *     2  probe                              Engine.IO: 2, a ping; with it, the client tries whether WebSocket works
 *
 * A WebSocket's frame has one packet; the body of a poll's response, or of a POST, has any number, with a byte 0x1e between two.
 */
import { Kept, Nesting, parse } from "./json.js";

const HEAD_MAX = 40; // characters of a packet by which it is known what it is
const SEPARATOR = 0x1e;

/** What is between the digits and the JSON of an event: perhaps a number that wants an acknowledgement, and its name. */
const EVENT = /^42\d*\["(\w+)",/;

export class Packets {
  #facts = [];

  constructor() { this.#begin(); }

  #begin() {
    this.head = "";
    this.text = new Kept();
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
        this.text.add(bytes.subarray(start, at));
        this.#end();
        start = at + 1;
      }
      const last = runs.at(-1);
      if (last?.kind === kind && last.note === note) last.size++;
      else runs.push({ size: 1, kind, note });
    });
    this.text.add(bytes.subarray(start));
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
    if (engine !== "4") return ["engine_io", socket === "p" ? "probe" : engine === "0" ? "session" : "packet"];
    const note = known(SOCKET, socket);
    if (depth < 2) return ["socket_io", note];
    if (socket === "3") return (this.refused ??= inTwo === 0x65) ? ["socket_io", "refusal"] : MESSAGE;
    const name = EVENT.exec(before)?.[1];
    if (name === "message") return MESSAGE;
    if (name === "publish") return ["publication", "publication"];
    return ["socket_io", EVENTS[name] ?? note];
  }

  #end() {
    const { text } = this.text;
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
  const [name, update] = Array.isArray(json) ? json : [];
  if (name === "message" && update?.cursor) return { type: "message", cursor: update.cursor };
  if (name === "cursor" && update?.cursor) return { type: "position", cursor: update.cursor };
  if (name === "missed" && update?.cursor) return { type: "missed", reason: update.reason, cursor: update.cursor };
  return { type: name === "publish" ? "publish" : "unknown" };
}

function known(notes, digit) {
  if (!(digit in notes)) throw new Error("no packet");
  return notes[digit];
}

export const MESSAGE = ["message", "message"];
const NEXT_PACKET = ["engine_io", "next_packet"];
const ENGINE = { 0: "engine_open", 1: "engine_close", 2: "engine_ping", 3: "engine_pong", 4: "engine_message", 5: "engine_upgrade", 6: "engine_noop" };
const SOCKET = { 0: "socket_connect", 1: "socket_disconnect", 2: "socket_event", 3: "socket_acknowledgement", 4: "socket_error" };
const EVENTS = { cursor: "position", missed: "missed" };
