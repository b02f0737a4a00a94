// What an arrow is. This is decided here, once; what it is called, said and drawn like are tables over its `kind`.

const PACKETS = {
  up: ["close", "goodbye", "probe", "switch", "connect", "publish", "pong"],
  down: ["handshake", "probe", "connect", "refused", "acknowledged", "noop", "heartbeat", "ping", "pong", "close", "goodbye"],
};
const RENAMED = { down: { probe: "probe_ok", connect: "connected" }, up: {} };

/**
 * The kind of what crossed the socket in `direction`, from its facts (wire/connection.js), with what is known of it:
 *
 *   up    request, resume { method, path, query, after, lastEventId }; handshake_request, poll_request, upgrade_request;
 *         close, goodbye, probe, switch, connect, publish, pong { path: if it was posted }; bytes
 *   down  messages { cursors, missed }, missed, empty, upgraded, position { cursor }, error; handshake, probe_ok,
 *         connected, refused, acknowledged, noop, heartbeat, ping, pong, close, goodbye; response; bytes.
 *         All with the { status } of the response that begins with it, if one does
 */
export function classify(direction, facts) {
  const has = type => facts.find(fact => fact.type === type);
  const packet = PACKETS[direction].find(has);
  const named = RENAMED[direction][packet] ?? packet;
  if (direction === "up") {
    const request = has("request");
    if (!request) return { kind: named ?? "bytes" };
    const what = target(request);
    return packet ? { ...what, kind: named } : what;
  }
  const { status } = has("response") ?? {}, end = has("response_end");
  const cursors = facts.flatMap(fact => (fact.type === "message" ? [fact.cursor] : fact.type === "response_end" ? fact.messages : []));
  const missed = Boolean(has("missed") || end?.missed), position = has("position");
  if (cursors.length) return { kind: "messages", status, cursors, missed };
  if (missed) return { kind: "missed", status };
  if (status >= 400) return { kind: "error", status };
  if (has("upgrade")) return { kind: "upgraded", status };
  if (position) return { kind: "position", status, cursor: position.cursor };
  if (named) return { kind: named, status };
  if (end?.empty) return { kind: "empty", status };
  return { kind: status ? "response" : "bytes", status };
}

/** A request: `query` without the epoch in its cursor, `after` the number in it, if it is one of a message. */
function target({ method, target, lastEventId }) {
  const [path, search = ""] = target.replace(/^\/s\/[^/]+\/[^/]+/, "").split("?"); // the session's part says nothing here
  const parameters = new URLSearchParams(search), after = parameters.get("after")?.split("-").at(-1);
  const request = { method, path, query: search.replace(/[0-9a-z]+-(?=\d)/, "…"), after: after === "0" ? undefined : after, lastEventId };
  if (path !== "/socket.io/" || method !== "GET") return { ...request, kind: lastEventId ? "resume" : "request" };
  return { ...request, kind: parameters.get("transport") === "websocket" ? "upgrade_request" : parameters.has("sid") ? "poll_request" : "handshake_request" };
}

const TONES = {
  update: ["messages", "missed"],
  empty: ["empty", "noop", "heartbeat", "ping", "close"],
};

/** How it is drawn: request, update, empty or other. */
export const toneOf = ({ kind, path }) => (path ? "request" : Object.keys(TONES).find(tone => TONES[tone].includes(kind)) ?? "other");
