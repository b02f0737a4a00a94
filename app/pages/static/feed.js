// The page's own line to the server: what happened on its sockets, what it sets, and the server's clock.
// It is one WebSocket, and nothing that crosses it is shown or counted (app/watch.py says what it carries).

const RETRY_MS = 1000;
const PROBES_AT_ONCE = 5;
const PROBE_EVERY_MS = 5000;
const PROBES_KEPT = 12;

/** A short random name, for a session or a page. */
export const randomName = () => Array.from(crypto.getRandomValues(new Uint8Array(6)), byte => "abcdefghjkmnpqrstuvwxyz23456789"[byte % 31]).join("");

/** The server's clock, as this page knows it: from the quickest of the last questions what time it is there. */
export class Clock {
  #probes = [];

  /** The server said `server_ms` between our `sent_ms` and `received_ms`; at best, half way. */
  learn(sent_ms, server_ms, received_ms) {
    this.#probes.push({ round_ms: received_ms - sent_ms, offset_ms: server_ms - (sent_ms + received_ms) / 2 });
    if (this.#probes.length > PROBES_KEPT) this.#probes.shift();
    this.#best = this.#probes.reduce((a, b) => (b.round_ms < a.round_ms ? b : a));
  }
  #best = null;

  forget() { this.#probes = []; }

  /** Whether it has been asked often enough. */
  get known() { return this.#probes.length >= PROBES_AT_ONCE; }

  /** How wrong our idea of the server's time can be, in ms. */
  get uncertainty_ms() { return this.#best ? this.#best.round_ms / 2 : Infinity; }

  /** The server's time now, in its ms. */
  now() { return performance.now() + (this.#best?.offset_ms ?? 0); }
}

/**
 * Watch a session as a page of it. `on` gets (what, value): every kind of news that the server tells, and
 * "connected" and "lost". Comes back by itself when the server is lost. Returns { clock, say, close }.
 */
export function watch(session, page, on) {
  const clock = new Clock();
  let socket, retry, probing, closed = false;
  const say = what => { if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(what)); };
  const probe = () => say({ clock: performance.now() });

  function connect() {
    socket = new WebSocket(`/watch?session=${session}&page=${page}`);
    socket.onmessage = ({ data }) => {
      const received_ms = performance.now();
      const [[what, value]] = Object.entries(JSON.parse(data));
      if (what === "clock") clock.learn(value.page_ms, value.server_ms, received_ms);
      if (what === "hello") {
        clock.forget(); // a server that has started anew may run on another machine's clock
        for (let i = 0; i < PROBES_AT_ONCE; i++) setTimeout(probe, 40 * i);
        probing = setInterval(probe, PROBE_EVERY_MS);
      }
      on(what, value);
    };
    socket.onclose = ({ code, reason }) => {
      clearInterval(probing);
      if (closed) return;
      on("lost_server", code === 1006 ? "" : reason);
      retry = setTimeout(connect, RETRY_MS);
    };
  }
  connect();
  return { clock, say, close() { closed = true; clearTimeout(retry); socket.close(); } };
}
