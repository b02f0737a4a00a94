// What an arrow is called, and what it means, by its kind (live/arrow.js). Where a transport has more to say, its own words do.
import { messages, sequence } from "./format.js";

const http = (status, text) => (status ? `${status} · ${text}` : text);
const posted = (path, text) => (path ? `POST ${path} · ${text}` : text);

/** The label of an arrow, of what it is: what goes up is a request, or `path`, if it was posted; what comes down may have a `status`. */
export const LABELS = {
  // up
  request: ({ method, path, query }) => `${method} ${path}${query && `?${query}`}`,
  resume: ({ method, path, lastEventId }) => `${method} ${path} · Last-Event-ID: …${sequence(lastEventId)}`,
  handshake_request: ({ path }) => `GET ${path} · handshake`,
  poll_request: ({ path }) => `GET ${path} · poll`,
  upgrade_request: ({ path }) => `GET ${path} · upgrade`,
  probe: () => "2probe: does it work?",
  switch: () => "5: upgrade, frames from here on",
  connect: ({ path }) => posted(path, "connect"),
  publish: ({ path }) => posted(path, "a message from the browser"),
  // down
  messages: ({ status, cursors, missed }) => http(status, missed ? `some were missed · ${messages(cursors)}` : messages(cursors)),
  missed: ({ status }) => http(status, "some were missed"),
  empty: ({ status }) => http(status, "nothing new"),
  upgraded: () => "101 · frames from here on",
  position: ({ status, cursor }) => http(status, `you are at …-${sequence(cursor)}`),
  error: ({ status }) => `${status}`,
  response: ({ status }) => `${status}`,
  handshake: ({ status }) => http(status, "a session"),
  probe_ok: () => "3probe: it works",
  connected: ({ status }) => http(status, "connected"),
  refused: ({ status }) => http(status, "refused"),
  acknowledged: ({ status }) => http(status, "acknowledged"),
  noop: ({ status }) => http(status, "noop, nothing new"),
  heartbeat: () => "heartbeat",
  // both
  ping: ({ status }) => http(status, "ping"),
  pong: ({ path }) => posted(path, "pong"),
  close: () => "close",
  goodbye: ({ status, path }) => http(status, posted(path, "goodbye")),
  bytes: () => "more bytes",
};

/** What an arrow (live/model.js) is called in the ladder and in the list. */
export const label = arrow => (arrow.lost_ms ? lost : whole)(LABELS[arrow.kind](arrow));
const whole = text => text;
const lost = text => `${text} · lost`;

/** What happened, in a sentence, for a first-time viewer; "" where there is nothing to say. */
export const SENTENCES = {
  missed: () => "The server says that some messages were missed.",
  position: () => "The server says where the browser is in the log.",
  upgraded: () => "The server agrees: from now on, both sides can send frames at any time.",
  error: ({ status }) => (status === 400 ? "Refused with 400: WebSocket does not get through." : `The server responds with an error, ${status}.`),
  refused: () => "The server refuses the connection, and says why.",
  heartbeat: () => "A heartbeat: the connection is still alive.",
  ping: () => "A heartbeat: the connection is still alive.",
  close: () => "One side closes the connection.",
  goodbye: () => "One side says goodbye.",
};

/** A message is there; `took`, how long it was on its way since it was published, is "" as long as that is secret. */
export const arrived = ({ cursor, took }) => (took ? `Message ${sequence(cursor)} reached the browser ${took} after it was published.` : `Message ${sequence(cursor)} reached the browser.`);
