/**
 * The wire, explained: names every byte of one connection, piece by piece, as they pass the server's socket.
 *
 * A piece is what one read or write moved; it may end in the middle of anything. So each direction has a generator that
 * is written as if all bytes were there, like the protocol's own description: a request is a line, headers, an empty
 * line, perhaps a body. Where a piece ends, the generator yields, and resumes there with the next one. Where it does not
 * understand the bytes, it throws: from then on its direction is `unknown`, until a request begins.
 *
 * Nothing here touches the page, a clock or the network, and nothing here is a sentence: what a part's `note` means is in
 * words/wire.js. `experiments/analysis/ledger.py` reads the same bytes in Python.
 */
import { Kept, Nesting, parse } from "./json.js";
import { MESSAGE, Packets } from "./packets.js";

const nothing = () => ({ messages: [], missed: false, empty: false, cursor: null });

const REQUEST_LINE = /^([A-Z]+) (\S+) HTTP\/1\.[01]\r\n/;
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})( .*)?\r\n/;

/**
 * @typedef {{kind: string, start: number, end: number, note: string, about?: string | number, text?: string,
 *   frame?: {fin: boolean, opcode: number, opcodeName: string, masked: boolean, length: number, header_bytes: number}}} Part
 *   Bytes `start` to `end` of a piece, and by which note they are explained; `about`: the header, field, status or size
 *   in question. `text`: a masked payload as plain text, as its bytes can't be read. `frame`: once a frame's header is
 *   complete; `header_bytes` are all that stand before its payload.
 *
 * @typedef {{type: string}} Fact  What happened, with more fields:
 *   request {number, method, target}, counted from 1; response {number, status, contentType}; upgrade {number};
 *   response_end {number, messages, missed, empty, cursor}: `messages` are cursors, `empty`: a poll without any;
 *   position {cursor}, message {cursor}, missed {reason, cursor}: what a stream, or a poll, says;
 *   heartbeat, ping, pong, publish, unknown; close {code, reason}: code 1005 if none was given.
 *   Of Socket.IO's packets: handshake {upgrades}, connect {after}, refused {why}, probe, switch, noop, goodbye,
 *   acknowledged {error}.
 */

/** One connection, from its first byte on. `framing(target)`: what a response to it is made of, see transports/index.js. */
export class Connection {
  constructor(framing) {
    this.framing = framing;
    this.requests = 0;
    this.pending = []; // requests that wait for their response
    this.upgraded = null; // the request that was upgraded, if any
    this.up = new Reader();
    this.down = new Reader();
    this.up.start(requests(this.up, this));
    this.down.start(responses(this.down, this));
  }

  /**
   * The next piece on the socket; never throws.
   * @param {"up" | "down"} direction  up: from the browser to the server
   * @param {Uint8Array} bytes
   * @returns {{parts: Part[], facts: Fact[]}}  The parts cover the piece from its first byte to its last.
   */
  read(direction, bytes) {
    if (direction === "up" && this.up.lost && REQUEST_LINE.test(decode(bytes.subarray(0, 8192)))) {
      this.upgraded = null;
      this.up.start(requests(this.up, this));
    }
    return this[direction].read(bytes);
  }

  /** Pieces were lost: everything is unknown until a piece begins with a request. */
  resync() {
    this.up.lose();
    this.down.lose();
  }

  expect(request) {
    if (this.down.lost) {
      this.pending = [];
      this.down.start(responses(this.down, this));
    }
    this.pending.push(request);
  }
}

/** One direction: what a generator needs to read it and to name it. */
class Reader {
  start(steps) {
    this.steps = steps;
    this.lost = false;
    this.left = Infinity; // bytes until the end of the body, chunk or payload that is being read
    this.chunks = null; // in a body in chunks: "first" or "next", whichever begins when nothing is left
  }

  lose() {
    this.steps = [].values(); // nothing more to do
    this.lost = true;
  }

  read(piece) {
    Object.assign(this, { piece, at: 0, parts: [], facts: [] });
    try {
      this.lost = this.steps.next().done;
    } catch {
      this.lost = true;
    }
    if (this.lost) {
      this.name(piece.length - this.at, "unknown", "unknown");
      this.facts.push({ type: "unknown" });
    }
    return { parts: this.parts, facts: this.facts };
  }

  /** Name the next `size` bytes. */
  name(size, kind, note, more = {}) {
    if (!size) return;
    this.parts.push({ kind, start: this.at, end: this.at + size, note, ...more });
    this.at += size;
    this.left -= size;
  }

  /** Wait for the next byte. */
  *need() {
    while (this.at === this.piece.length) yield;
  }

  /** What there is to read now, at least a byte; null at the end of a body. */
  *more() {
    if (!this.left && this.chunks) yield* this.nextChunk();
    if (!this.left) return null;
    yield* this.need();
    return this.piece.subarray(this.at, this.at + this.left);
  }

  /** A line with its end; `name(line so far, bytes of it in this piece)` names it. null if the body ends before. */
  *line(name) {
    const line = new Kept();
    for (let here; (here = yield* this.more()); ) {
      const end = here.indexOf(0x0a) + 1; // behind the line feed; 0 if there is none
      const part = end ? here.subarray(0, end) : here;
      line.add(part);
      name(line, part.length);
      if (end) return line.text;
    }
    return null;
  }

  /** A few bytes, as many as `size(bytes so far)` says; `explain(bytes so far, are these all?)` gives the note and more. */
  *few(kind, size, explain) {
    const read = [];
    while (read.length < size(read)) {
      yield* this.need();
      const before = read.length;
      for (let i = this.at; i < this.piece.length && read.length < size(read); i++) read.push(this.piece[i]);
      this.name(read.length - before, kind, ...explain(read, read.length === size(read)));
    }
    return read;
  }

  /** The rest of a body, all of one kind. */
  *rest(kind, note) {
    for (let here; (here = yield* this.more()); ) this.name(here.length, kind, note);
  }

  /** What stands between two chunks of a body (RFC 9112, section 7.1). */
  *nextChunk() {
    const called = (note) => (line, size) => this.name(size, "chunk", ...note(line.text));
    const first = this.chunks === "first";
    this.chunks = null;
    this.left = Infinity;
    if (!first) yield* this.line(called(() => ["chunk_end"]));
    const size = parseInt(yield* this.line(called(chunkNote)), 16);
    if (size) this.chunks = "next";
    else while ((yield* this.line(called(() => ["body_end"]))).trim());
    this.left = size;
  }
}

// HTTP (RFC 9112)

function* requests(reader, connection) {
  for (;;) {
    yield* reader.need();
    if (connection.upgraded) yield* frames(reader, "up", connection.framing(connection.upgraded.target) === "packets");
    const [, method, target] = yield* firstLine(reader, "request_line", REQUEST_LINE);
    const headers = yield* head(reader, "request_header");
    const request = { number: ++connection.requests, method, target };
    connection.expect(request);
    reader.facts.push({ type: "request", ...request });
    beginBody(reader, headers, 0);
    if (connection.framing(target) === "packets") {
      const found = yield* packets(reader);
      reader.facts.push(...found);
    } else yield* reader.rest("request_body", "request_body");
    reader.left = Infinity;
  }
}

function* responses(reader, connection) {
  for (;;) {
    const status = Number((yield* firstLine(reader, "status_line", STATUS_LINE))[1]);
    const headers = yield* head(reader, "response_header");
    const request = connection.pending[0] ?? { number: 0, method: "", target: "" };
    const { number, method, target } = request;
    const contentType = headers["content-type"] ?? "";
    reader.facts.push({ type: "response", number, status, contentType });
    if (status < 200 && status !== 101) continue; // 100 Continue: the response itself is still to come
    connection.pending.shift();
    const framing = connection.framing(target);
    if (status === 101) {
      reader.facts.push({ type: "upgrade", number });
      connection.upgraded = request;
      yield* frames(reader, "down", framing === "packets");
    }
    if (method === "HEAD" || status === 204 || status === 304) reader.left = 0;
    else beginBody(reader, headers, Infinity); // without a length, it ends with the connection
    let end = nothing();
    if (contentType.startsWith("text/event-stream")) yield* events(reader);
    else if (status === 200 && framing === "batch") end = yield* batch(reader);
    else if (status === 200 && method === "GET" && framing === "packets") end = yield* polledPackets(reader);
    else yield* reader.rest("body", "response_body");
    reader.facts.push({ type: "response_end", number, ...end });
    reader.left = Infinity;
  }
}

function* firstLine(reader, kind, pattern) {
  const line = yield* reader.line(({ text }, size) => {
    if (!/^[A-Z]/.test(text)) throw new Error("no HTTP");
    reader.name(size, kind, kind, kind === "status_line" && { about: text.slice(9, 12) });
  });
  const found = pattern.exec(line);
  if (!found) throw new Error("no HTTP");
  return found;
}

const MATTERS = new Set(["content-length", "content-type", "transfer-encoding"]);

/** The headers that matter here, by their names in lower case. */
function* head(reader, kind) {
  for (const headers = {}; ; ) {
    const line = yield* reader.line(({ text }, size) => {
      if (text.trim()) reader.name(size, kind, "header", { about: headerName(text) });
      else reader.name(size, "head_end", "head_end");
    });
    if (!line.trim()) return headers;
    if (MATTERS.has(headerName(line))) headers[headerName(line)] = line.slice(line.indexOf(":") + 1).trim();
  }
}

function beginBody(reader, headers, otherwise) {
  const chunked = /\bchunked$/i.test(headers["transfer-encoding"]);
  reader.chunks = chunked ? "first" : null;
  if (/\D/.test(headers["content-length"] ?? "")) throw new Error("no length");
  reader.left = chunked ? 0 : Number(headers["content-length"] ?? otherwise);
}

/** A poll's response, {"messages":[{...},{...}],"cursor":"..."}: its messages are the objects in a list. */
function* batch(reader) {
  const body = new Kept(), nesting = new Nesting();
  for (let here; (here = yield* reader.more()); ) {
    body.add(here);
    const inMessages = Array.from(here, (byte) => nesting.depth(byte) > 2);
    for (let start = 0, end; start < here.length; start = end) {
      end = inMessages.indexOf(!inMessages[start], start);
      if (end < 0) end = here.length;
      reader.name(end - start, ...(inMessages[start] ? MESSAGE : ["body", "around_messages"]));
    }
  }
  const { messages, missed, cursor = null } = parse(body.text);
  if (!Array.isArray(messages)) {
    reader.facts.push({ type: "unknown" });
    return nothing();
  }
  if (missed) reader.facts.push({ type: "missed", reason: missed.reason, cursor: missed.cursor });
  const cursors = messages.map((message) => message?.cursor);
  return { messages: cursors, missed: Boolean(missed), empty: !cursors.length && !missed, cursor };
}

// Socket.IO (packets.js)

/** A body of packets. Returns their facts. */
function* packets(reader) {
  const packets = new Packets();
  for (let here; (here = yield* reader.more()); ) {
    for (const { size, kind, note } of packets.read(here)) reader.name(size, kind, note);
  }
  return packets.end();
}

/** A poll's response in packets. */
function* polledPackets(reader) {
  const facts = yield* packets(reader);
  const cursors = facts.filter(({ type }) => type === "message").map(({ cursor }) => cursor);
  const others = facts.filter(({ type }) => type !== "message");
  reader.facts.push(...others);
  const has = (...types) => others.some(({ type }) => types.includes(type));
  return { messages: cursors, missed: has("missed"), empty: !cursors.length && others.every(({ type }) => type === "noop" || type === "ping"), cursor: cursors.at(-1) ?? null };
}

// Server-sent events (WHATWG HTML, section 9.2)

function* events(reader) {
  for (let event = {}; ; ) {
    const line = yield* reader.line((line, size) => {
      const note = fieldNote(line.text);
      if (!line.text.startsWith("data: ") || event.event) return reader.name(size, "sse_field", ...note);
      const field = Math.min(Math.max("data: ".length - (line.size - size), 0), size);
      const end = line.text.endsWith("\n") ? 1 : 0;
      reader.name(field, "sse_field", ...note);
      reader.name(size - field - end, ...MESSAGE);
      reader.name(end, "sse_field", "line_end");
    });
    if (line === null) return;
    const [, name, value] = /^([^:\r\n]*):? ?([^\r\n]*)/.exec(line);
    if (name) {
      event[name] = value;
    } else if (line.startsWith(":")) {
      reader.facts.push({ type: "heartbeat" });
    } else {
      if (event.data) reader.facts.push(update(event.data));
      else if (event.id) reader.facts.push({ type: "position", cursor: event.id });
      event = {};
    }
  }
}

/** What a stream pushed. */
function update(json) {
  const { missed, cursor, text } = parse(json);
  if (missed) return { type: "missed", reason: missed.reason, cursor: missed.cursor };
  if (!cursor) return { type: "unknown" };
  return { type: text === undefined ? "position" : "message", cursor };
}

// WebSocket (RFC 6455, section 5)

const OPCODES = { 0: "more of the message", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" };

function* frames(reader, direction, inPackets) {
  let whole; // a message may come in several frames, with pings and pongs between them
  for (let texts = 0; ; ) {
    const frame = yield* frameHeader(reader);
    if (frame.opcode === 1 || frame.opcode === 2) whole = { opcode: frame.opcode, payload: new Kept() };
    if (frame.opcode === 1) texts++;
    if (frame.opcode === 1 && inPackets) whole.packets = new Packets();
    const { opcode, payload, packets } = frame.opcode > 7 ? { opcode: frame.opcode, payload: new Kept() } : whole; // throws if unbegun
    const code = opcode === 8 && frame.length > 1 ? yield* closeCode(reader, frame) : 1005;
    reader.left = frame.length - frame.unmasked;
    for (let here; (here = yield* reader.more()); ) {
      const plain = here.map((byte) => byte ^ frame.mask[frame.unmasked++ % 4]);
      if (packets) {
        let start = 0;
        for (const { size, kind, note } of packets.read(plain)) {
          reader.name(size, kind, note, frame.masked && { text: decode(plain.subarray(start, (start += size))) });
        }
        continue;
      }
      payload.add(plain);
      // The server's first text says where the reader is, or what it missed; each later one is a message, or what was missed.
      const missed = payload.text.startsWith('{"m');
      const isMessage = direction === "down" && opcode === 1 && texts > 1 && !missed;
      const name = isMessage ? MESSAGE : ["frame_payload", payloadNote(direction, opcode, missed)];
      reader.name(here.length, ...name, frame.masked && { text: decode(plain) });
    }
    if (!frame.fin) continue;
    if (packets) reader.facts.push(...packets.end());
    else if (opcode === 8) reader.facts.push({ type: "close", code, reason: payload.text });
    else if (opcode > 8) reader.facts.push({ type: OPCODES[opcode] });
    else if (opcode === 1 && direction === "down") reader.facts.push(update(payload.text));
    else reader.facts.push({ type: typeof parse(payload.text).text === "string" ? "publish" : "unknown" });
  }
}

/** A frame's header; without a mask, the mask is four zeros, which change nothing. */
function* frameHeader(reader) {
  const size = ([, second]) => 2 + ({ 126: 2, 127: 8 }[second & 127] ?? 0);
  let frame;
  yield* reader.few("frame_header", size, (read, complete) => {
    const [first, second, ...long] = read;
    const opcode = first & 15, masked = second > 127;
    if (first & 0x70 || !OPCODES[opcode]) throw new Error("no frame");
    const length = long.length ? long.reduce((sum, byte) => 256 * sum + byte) : second & 127;
    const header_bytes = read.length + (masked ? 4 : 0);
    frame = { fin: first > 127, opcode, opcodeName: OPCODES[opcode], masked, length, header_bytes };
    return complete ? ["frame_header", { frame }] : ["frame_header_begins"];
  });
  const mask = frame.masked ? yield* reader.few("mask", () => 4, () => ["mask"]) : [0, 0, 0, 0];
  return { ...frame, mask, unmasked: 0 };
}

/** The status code in a close frame: the first two bytes of its payload. */
function* closeCode(reader, frame) {
  let code;
  yield* reader.few("frame_payload", () => 2, ([high, low], complete) => {
    code = 256 * (high ^ frame.mask[0]) + (low ^ frame.mask[1]);
    return [complete ? "close_code" : "close_code_begins", { about: code, ...(frame.masked && { text: complete ? String(code) : "" }) }];
  });
  frame.unmasked = 2;
  return code;
}

// By which note some bytes are explained

const headerName = (line) => line.split(":")[0].toLowerCase();

const chunkNote = (line) => {
  if (!/^[0-9a-f]/i.test(line)) throw new Error("no chunk");
  return line.endsWith("\n") ? ["chunk_size", { about: parseInt(line, 16) }] : ["chunk_size_begins"];
};

const fieldNote = (line) => {
  if (line.startsWith(":")) return ["comment"];
  return line.trim() ? ["field", { about: line.split(":")[0] }] : ["event_end"];
};

const payloadNote = (direction, opcode, missed) => {
  if (opcode === 8) return "close_reason";
  if (opcode > 8) return "ping_payload";
  if (opcode === 2) return "binary";
  return direction === "up" ? "publication" : missed ? "missed" : "position";
};

const decode = (bytes) => new TextDecoder().decode(bytes);
