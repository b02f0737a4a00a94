/**
 * The wire, explained: names every byte of one connection, piece by piece, as they pass the server's socket.
 *
 * A piece is what one read or write moved; it may end in the middle of anything. So each direction has a generator that
 * is written as if all bytes were there, like the protocol's own description: a request is a line, headers, an empty
 * line, perhaps a body. Where a piece ends, the generator says `yield`, and goes on from there with the next one. Where
 * it does not understand, it throws: from then on its direction is `unknown`, until a request begins.
 *
 * Nothing here touches the page, a clock or the network. `experiments/analysis/ledger.py` reads the same bytes in Python.
 */
import { Kept, Nesting, parse } from "./json.js";
import { MESSAGE, Packets } from "./packets.js";

const noNews = () => ({ messages: [], missed: false, empty: false, cursor: null });

const REQUEST_LINE = /^([A-Z]+) (\S+) HTTP\/1\.[01]\r\n/;
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})( .*)?\r\n/;

/**
 * @typedef {{kind: string, start: number, end: number, note: string, text?: string, frame?: {fin: boolean,
 *   opcode: number, opcodeName: string, masked: boolean, length: number, header_bytes: number}}} Part
 *   Bytes `start` to `end` of a piece, and what they say. `text`: what a masked payload says, as its bytes can't be
 *   read. `frame`: once a frame's header is complete; `header_bytes` are all that stand before its payload.
 *
 * @typedef {{type: string}} Fact  What happened, with more fields:
 *   request {number, method, target}, counted from 1; answer {number, status, contentType}; upgrade {number};
 *   answer_end {number, messages, missed, empty, cursor}: `messages` are cursors, `empty` is a poll's without news;
 *   position {cursor}, message {cursor}, missed {reason, cursor}: what a stream, or a poll, says;
 *   heartbeat, ping, pong, publish, unknown; close {code, reason}: code 1005 if none was given.
 *   Of Socket.IO's packets: handshake {upgrades}, connect {after}, refused {why}, probe, switch, noop, goodbye,
 *   acknowledged {error}.
 */

/** One connection, from its first byte on. */
export class Connection {
  constructor() {
    this.requests = 0;
    this.asked = []; // requests that wait for their answer
    this.upgraded = null; // the request that was, once one is
    this.up = new Reader();
    this.down = new Reader();
    this.up.start(requests(this.up, this));
    this.down.start(answers(this.down, this));
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

  ask(request) {
    if (this.down.lost) {
      this.asked = [];
      this.down.start(answers(this.down, this));
    }
    this.asked.push(request);
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
      this.name(piece.length - this.at, "unknown", "nothing that is understood here");
      this.facts.push({ type: "unknown" });
    }
    return { parts: this.parts, facts: this.facts };
  }

  /** Say what the next `size` bytes are. */
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

  /** A few bytes, as many as `size(bytes so far)` says; `explain(bytes so far, are these all?)` gives note and more. */
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
    const called = (note) => (line, size) => this.name(size, "chunk", note(line.text));
    const first = this.chunks === "first";
    this.chunks = null;
    this.left = Infinity;
    if (!first) yield* this.line(called(() => "the chunk ends"));
    const size = parseInt(yield* this.line(called(chunkNote)), 16);
    if (size) this.chunks = "next";
    else while ((yield* this.line(called(() => "the body ends"))).trim());
    this.left = size;
  }
}

// HTTP (RFC 9112)

function* requests(reader, connection) {
  for (;;) {
    yield* reader.need();
    if (connection.upgraded) yield* frames(reader, "up", isSocketIO(connection.upgraded));
    const [, method, target] = yield* firstLine(reader, "request_line", REQUEST_LINE, () => REQUEST_NOTE);
    const headers = yield* head(reader, "request_header");
    const request = { number: ++connection.requests, method, target };
    connection.ask(request);
    reader.facts.push({ type: "request", ...request });
    beginBody(reader, headers, 0);
    if (isSocketIO(request)) {
      const said = yield* packets(reader);
      reader.facts.push(...said);
    } else yield* reader.rest("request_body", "what the browser sends with its request");
    reader.left = Infinity;
  }
}

function* answers(reader, connection) {
  for (;;) {
    const status = Number((yield* firstLine(reader, "status_line", STATUS_LINE, statusNote))[1]);
    const headers = yield* head(reader, "response_header");
    const request = connection.asked[0] ?? { number: 0, method: "", target: "" };
    const { number, method, target } = request;
    const contentType = headers["content-type"] ?? "";
    reader.facts.push({ type: "answer", number, status, contentType });
    if (status < 200 && status !== 101) continue; // 100 Continue: the answer itself is still to come
    connection.asked.shift();
    if (status === 101) {
      reader.facts.push({ type: "upgrade", number });
      connection.upgraded = request;
      yield* frames(reader, "down", isSocketIO(request));
    }
    if (method === "HEAD" || status === 204 || status === 304) reader.left = 0;
    else beginBody(reader, headers, Infinity); // without a length, it ends with the connection
    let end = noNews();
    if (contentType.startsWith("text/event-stream")) yield* events(reader);
    else if (status === 200 && /^[^?]*\/(short|long)-poll(\?|$)/.test(target)) end = yield* batch(reader);
    else if (status === 200 && method === "GET" && isSocketIO(request)) end = yield* polledPackets(reader);
    else yield* reader.rest("body", "the body of the answer");
    reader.facts.push({ type: "answer_end", number, ...end });
    reader.left = Infinity;
  }
}

function* firstLine(reader, kind, pattern, note) {
  const line = yield* reader.line(({ text }, size) => {
    if (!/^[A-Z]/.test(text)) throw new Error("no HTTP");
    reader.name(size, kind, note(text));
  });
  const found = pattern.exec(line);
  if (!found) throw new Error("no HTTP");
  return found;
}

/** The headers that are explained below, by their names in lower case. */
function* head(reader, kind) {
  for (const headers = {}; ; ) {
    const line = yield* reader.line(({ text }, size) => {
      if (text.trim()) reader.name(size, kind, headerNote(text));
      else reader.name(size, "head_end", "an empty line: the head ends");
    });
    if (!line.trim()) return headers;
    if (HEADERS.has(headerName(line))) headers[headerName(line)] = line.slice(line.indexOf(":") + 1).trim();
  }
}

function beginBody(reader, headers, otherwise) {
  const chunked = /\bchunked$/i.test(headers["transfer-encoding"]);
  reader.chunks = chunked ? "first" : null;
  if (/\D/.test(headers["content-length"] ?? "")) throw new Error("no length");
  reader.left = chunked ? 0 : Number(headers["content-length"] ?? otherwise);
}

/** A poll's answer, {"messages":[{...},{...}],"cursor":"..."}: its messages are the objects in a list. */
function* batch(reader) {
  const body = new Kept(), nesting = new Nesting();
  for (let here; (here = yield* reader.more()); ) {
    body.add(here);
    const inMessages = Array.from(here, (byte) => nesting.depth(byte) > 2);
    for (let start = 0, end; start < here.length; start = end) {
      end = inMessages.indexOf(!inMessages[start], start);
      if (end < 0) end = here.length;
      reader.name(end - start, ...(inMessages[start] ? MESSAGE : AROUND_MESSAGES));
    }
  }
  const { messages, missed, cursor = null } = parse(body.text);
  if (!Array.isArray(messages)) {
    reader.facts.push({ type: "unknown" });
    return noNews();
  }
  if (missed) reader.facts.push({ type: "missed", reason: missed.reason, cursor: missed.cursor });
  const cursors = messages.map((message) => message?.cursor);
  return { messages: cursors, missed: Boolean(missed), empty: !cursors.length && !missed, cursor };
}

// Socket.IO (packets.js)

const isSocketIO = ({ target }) => /^[^?]*\/socket\.io\/(\?|$)/.test(target);

/** A body of packets. Returns their facts. */
function* packets(reader) {
  const packets = new Packets();
  for (let here; (here = yield* reader.more()); ) {
    for (const { size, kind, note } of packets.read(here)) reader.name(size, kind, note);
  }
  return packets.end();
}

/** A poll's answer in packets. */
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
      if (!line.text.startsWith("data: ") || event.event) return reader.name(size, "sse_field", note);
      const field = Math.min(Math.max("data: ".length - (line.size - size), 0), size);
      const end = line.text.endsWith("\n") ? 1 : 0;
      reader.name(field, "sse_field", note);
      reader.name(size - field - end, ...MESSAGE);
      reader.name(end, "sse_field", "the line ends");
    });
    if (line === null) return;
    const [, name, value] = /^([^:\r\n]*):? ?([^\r\n]*)/.exec(line);
    if (name) {
      if (FIELDS.has(name)) event[name] = value;
    } else if (line.startsWith(":")) {
      reader.facts.push({ type: "heartbeat" });
    } else {
      if (event.data) reader.facts.push(news(event.data));
      else if (event.id) reader.facts.push({ type: "position", cursor: event.id });
      event = {};
    }
  }
}

/** What a stream pushed. */
function news(text) {
  const { missed, cursor, text: said } = parse(text);
  if (missed) return { type: "missed", reason: missed.reason, cursor: missed.cursor };
  if (!cursor) return { type: "unknown" };
  return { type: said === undefined ? "position" : "message", cursor };
}

// WebSocket (RFC 6455, section 5)

const OPCODES = { 0: "more of the message", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" };

function* frames(reader, direction, isSocketIO) {
  let whole; // a message may come in several frames, with pings and pongs between them
  for (let texts = 0; ; ) {
    const frame = yield* frameHeader(reader);
    if (frame.opcode === 1 || frame.opcode === 2) whole = { opcode: frame.opcode, said: new Kept() };
    if (frame.opcode === 1) texts++;
    if (frame.opcode === 1 && isSocketIO) whole.packets = new Packets();
    const { opcode, said, packets } = frame.opcode > 7 ? { opcode: frame.opcode, said: new Kept() } : whole; // throws if unbegun
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
      said.add(plain);
      // The server's first text says where the reader stands; each later one is a message, or says what was missed.
      const isMessage = direction === "down" && opcode === 1 && texts > 1 && !said.text.startsWith('{"m');
      const name = isMessage ? MESSAGE : ["frame_payload", payloadNote(direction, opcode, texts)];
      reader.name(here.length, ...name, frame.masked && { text: decode(plain) });
    }
    if (!frame.fin) continue;
    if (packets) reader.facts.push(...packets.end());
    else if (opcode === 8) reader.facts.push({ type: "close", code, reason: said.text });
    else if (opcode > 8) reader.facts.push({ type: OPCODES[opcode] });
    else if (opcode === 1 && direction === "down") reader.facts.push(news(said.text));
    else reader.facts.push({ type: typeof parse(said.text).text === "string" ? "publish" : "unknown" });
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
    return complete ? [frameNote(frame), { frame }] : ["the header of a frame begins"];
  });
  const mask = frame.masked ? yield* reader.few("mask", () => 4, () => [MASK_NOTE]) : [0, 0, 0, 0];
  return { ...frame, mask, unmasked: 0 };
}

/** The status code in a close frame: the first two bytes of its payload. */
function* closeCode(reader, frame) {
  let code;
  yield* reader.few("frame_payload", () => 2, ([high, low], complete) => {
    code = 256 * (high ^ frame.mask[0]) + (low ^ frame.mask[1]);
    const note = complete ? `status code ${code}: ${CLOSE_CODES[code] ?? "the connection is closed"}` : "a status code";
    return [note, frame.masked && { text: complete ? String(code) : "" }];
  });
  frame.unmasked = 2;
  return code;
}

// What is said of the bytes

const AROUND_MESSAGES = ["body", "around the messages: their list, and the cursor to ask with next time"];
const REQUEST_NOTE = "what is asked: method, target, HTTP version";
const MASK_NOTE = "the mask: each byte of the payload is XORed with one of these, in turn (RFC 6455, section 5.3)";

const STATUS = {
  101: "agreed: from here on, this connection speaks WebSocket",
  200: "here is the answer",
  201: "published",
  400: "the request is not understood",
  403: "not allowed",
  404: "there is nothing here",
  413: "that is too much",
};
const statusNote = (line) => `HTTP version, and how it went: ${STATUS[line.slice(9, 12)] ?? "a number, then words"}`;

const HEADERS = new Map(Object.entries({
  "accept": "what kind of answer is wanted",
  "accept-encoding": "which compressions would be understood",
  "accept-language": "which languages the user prefers",
  "cache-control": "whether an answer may be kept and used again: news may not",
  "connection": "what becomes of the connection: kept for the next request, or upgraded to another protocol",
  "content-length": "how many bytes the body has: this is how its end is found",
  "content-type": "what the body is: JSON, or a stream of events",
  "cookie": "what the server asked the browser to remember; it goes along with every request",
  "date": "when the answer was made",
  "host": "which server is meant: one address can have many names",
  "last-event-id": "the cursor: EventSource comes back, and says itself what it saw last",
  "origin": "whose page is asking, so that a server can refuse the pages of others",
  "pragma": "what Cache-Control says, for HTTP/1.0",
  "referer": "which page is asking",
  "sec-ch": "which browser asks, in fields of its own",
  "sec-fetch": "what in a page is asking, and for what: filled in by the browser, out of the page's reach",
  "sec-websocket-accept": "computed from the key: proof that the server speaks WebSocket",
  "sec-websocket-extensions": "additions to the protocol, such as compression",
  "sec-websocket-key": "a random value, for the server to compute its answer from; it is no secret",
  "sec-websocket-version": "the version of the protocol: 13 is the one of RFC 6455",
  "server": "which program answers",
  "transfer-encoding": "chunked: the length is not known yet, so the body comes in pieces that each say theirs",
  "upgrade": "the protocol to change to",
  "user-agent": "which program asks",
}));
const headerName = (line) => line.split(":")[0].toLowerCase();
const headerNote = (line) => {
  const name = headerName(line);
  return HEADERS.get(name) ?? HEADERS.get(name.split("-", 2).join("-")) ?? "a header: name, colon, value";
};

const chunkNote = (line) => {
  if (!/^[0-9a-f]/i.test(line)) throw new Error("no chunk");
  if (!line.endsWith("\n")) return "the size of the next chunk begins";
  const size = parseInt(line, 16);
  return size ? `size of the next chunk: 0x${size.toString(16)} = ${size} bytes` : "size 0: this was the last chunk";
};

const FIELDS = new Map([
  ["id", "the cursor: where this reader stands; EventSource brings it back as Last-Event-ID"],
  ["data", "what is told, as JSON"],
  ["event", "what kind of event this is, if it is no message"],
  ["retry", "how many milliseconds to wait before coming back, if the connection is lost"],
]);
const fieldNote = (line) => {
  if (line.startsWith(":")) return "a comment, which says nothing: the heartbeat";
  return FIELDS.get(line.split(":")[0]) ?? (line.trim() ? "a field of the event" : "an empty line: the event ends");
};

const frameNote = ({ fin, opcode, opcodeName, masked, length }) =>
  `${!fin ? "no FIN: the message goes on in another frame" : opcode > 7 ? "FIN" : "FIN: this frame ends a message"}; ` +
  `opcode ${opcode}: ${opcodeName}; ${masked ? "masked (clients have to)" : "no mask (only clients mask)"}; ` +
  `${length} bytes of payload`;
const payloadNote = (direction, opcode, texts) => {
  if (opcode === 8) return "why the connection is closed, in words";
  if (opcode > 8) return "the payload of a ping, which comes back in the pong";
  if (opcode === 2) return "bytes that are no text";
  if (direction === "up") return "what the client publishes";
  return texts > 1 ? "messages were missed" : "the cursor: where this reader stands";
};
const CLOSE_CODES = { 1000: "done", 1001: "going away", 1003: "only text is understood", 1008: "this is refused" };

const decode = (bytes) => new TextDecoder().decode(bytes);
