// What each byte on the wire says: a sentence for every note of wire/.
import { duration, size } from "./format.js";

const STATUS = {
  101: "agreed, this connection speaks WebSocket from here on",
  200: "success",
  201: "published",
  400: "the request is not understood",
  403: "not allowed",
  404: "not found",
  413: "too large",
};

const HEADERS = {
  "accept": "which types of response the browser accepts",
  "accept-encoding": "which compressions the browser understands",
  "accept-language": "which languages the user prefers",
  "cache-control": "whether the response may be cached: messages must not be",
  "connection": "what happens to the connection: kept for the next request, or upgraded to another protocol",
  "content-length": "the body's size in bytes: this is how its end is found",
  "content-type": "what the body is: JSON, or a stream of events",
  "cookie": "what the server asked the browser to store; sent with every request",
  "date": "when the response was created",
  "host": "which server is meant: one address can have many names",
  "last-event-id": "the cursor: EventSource reconnects and says by itself what it saw last",
  "origin": "which site's page sends this, so that a server can refuse other sites",
  "pragma": "Cache-Control for HTTP/1.0",
  "referer": "which page sends this",
  "sec-ch": "which browser this is, in headers of its own",
  "sec-fetch": "what in a page sends this, and why: set by the browser, out of the page's reach",
  "sec-websocket-accept": "computed from the key: proof that the server speaks WebSocket",
  "sec-websocket-extensions": "protocol extensions, such as compression",
  "sec-websocket-key": "a random value from which the server computes its response; not a secret",
  "sec-websocket-version": "the protocol version: 13 is RFC 6455",
  "server": "the server's software",
  "transfer-encoding": "chunked: the length is not known yet, so the body comes in chunks that each state their size",
  "upgrade": "the protocol to change to",
  "user-agent": "the browser's name and version",
  "x-accel-buffering": "no: tells an nginx in between to pass the stream on at once",
  "x-content-type-options": "nosniff: the browser must not guess another content type",
};

const FIELDS = {
  id: "the cursor: where this reader is; EventSource sends it back as Last-Event-ID",
  data: "the content, as JSON",
  event: "the event's type, where it is not a message",
  retry: "how many milliseconds to wait before reconnecting, if the connection is lost",
};

const CLOSE_CODES = { 1000: "done", 1001: "going away", 1003: "only text is accepted", 1008: "refused" };

const NOTES = {
  unknown: () => "not understood here",
  message: () => "a message, as JSON: the same in every transport",
  // HTTP
  request_line: () => "the request: method, target, HTTP version",
  status_line: ({ about }) => `HTTP version and status: ${STATUS[about] ?? "a number, then words"}`,
  header: ({ about }) => HEADERS[about] ?? HEADERS[about.split("-", 2).join("-")] ?? "a header: name, colon, value",
  head_end: () => "an empty line ends the head",
  request_body: () => "the request's body: what the browser sends",
  response_body: () => "the response's body",
  around_messages: () => "around the messages: their list, and the cursor for the next request",
  chunk_size: ({ about }) => (about ? `size of the next chunk: 0x${about.toString(16)} = ${about} bytes` : "size 0: this was the last chunk"),
  chunk_size_begins: () => "the size of the next chunk begins",
  chunk_end: () => "the chunk ends",
  body_end: () => "the body ends",
  // Server-sent events
  comment: () => "a comment, which means nothing: the heartbeat",
  field: ({ about }) => FIELDS[about] ?? "a field of the event",
  line_end: () => "the line ends",
  event_end: () => "an empty line ends the event",
  // WebSocket
  frame_header: ({ frame: { fin, opcode, opcodeName, masked, length } }) =>
    `${!fin ? "no FIN: the message continues in another frame" : opcode > 7 ? "FIN" : "FIN: this frame ends a message"}; ` +
    `opcode ${opcode}: ${opcodeName}; ${masked ? "masked (clients have to)" : "no mask (only clients mask)"}; ` +
    `${length} bytes of payload`,
  frame_header_begins: () => "a frame's header begins",
  mask: () => "the mask: each byte of the payload is XORed with one of these, in turn (RFC 6455, section 5.3)",
  close_code: ({ about }) => `status code ${about}: ${CLOSE_CODES[about] ?? "the connection closes"}`,
  close_code_begins: () => "a status code begins",
  close_reason: () => "why the connection closes, in words",
  ping_payload: () => "the payload of a ping, which the pong returns",
  binary: () => "binary data, not text",
  publication: () => "what the client publishes",
  missed: () => "messages were missed: why, and where reading resumes",
  position: () => "the cursor: where this reader is",
  // Socket.IO
  next_packet: () => "0x1e: one packet ends, the next begins",
  session: () => "the session's id (sid), what it can upgrade to (upgrades), and how often a heartbeat comes (pingInterval, in ms)",
  probe: () => "probe: does this connection work, too?",
  packet: () => "more of this packet",
  refusal: () => "why it was refused",
  engine_open: () => "0, open: Engine.IO begins a session",
  engine_close: () => "1, close: the session ends",
  engine_ping: () => "2, ping: are you there?",
  engine_pong: () => "3, pong: yes",
  engine_message: () => "4, an Engine.IO message: what follows is for the layer above, Socket.IO",
  engine_upgrade: () => "5, upgrade: from here on, everything goes this way",
  engine_noop: () => "6, noop: nothing, only there to end the held request",
  socket_connect: () => "0, connect: the client may send data, here its position; the server responds with an id (sid) of its own",
  socket_disconnect: () => "1, disconnect",
  socket_event: () => "2, a Socket.IO event: a number if it wants an acknowledgement, then a list of its name and its data",
  socket_acknowledgement: () => "3, an acknowledgement: the number of the event that it acknowledges, then a list",
  socket_error: () => "4, connect error: the connection is refused, and why",
};

/** What a part (wire/connection.js) says. */
export const note = part => NOTES[part.note](part);

// The list, and the bytes of one arrow

export const LIST = "What crossed the socket";
export const DETAIL = "Bytes of this arrow";
export const TABLE = "Every byte, and what it says";
export const ON_THE_WIRE = "On the wire";
export const WHAT_IT_SAYS = "What it says";
export const NOTHING_YET = "nothing yet";
export const CHOOSE = "Choose an arrow, in the diagram or in the list, to see its bytes.";
export const UP = "→ to server";
export const DOWN = "← to browser";

/** How an arrow's bytes crossed the socket; `pieces` is the number of reads, or writes. */
export const crossed = ({ direction, bytes, pieces, connection, way_ms }) => direction === "up"
  ? `From the browser to the server: ${size(bytes)} in ${pieces === 1 ? "one read" : `${pieces} reads`} on connection ${connection}, one-way delay ${duration(way_ms)}`
  : `From the server to the browser: ${size(bytes)} in ${pieces === 1 ? "one write" : `${pieces} writes`} on connection ${connection}, one-way delay ${duration(way_ms)}`;

export const more = letters => ` … (${letters} more)`;
