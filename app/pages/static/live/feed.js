// The page's own channel to the server: what happened on its sockets, what it sets, and the server's clock.
// It is one WebSocket, and nothing that crosses it is shown or counted (app/watch.py says what it carries).

const RETRY_MS = 1000;
const PROBES_LEAST = 5, PROBES_MOST = 20; // at the beginning, until the clock is known
const EXACT_MS = 1; // exact enough to begin
const PROBE_EVERY_MS = 5000;
const PROBES_KEPT = 24;
const DRIFT_MS = 20; // what two good clocks may part in the time that probes are kept

/** A short random name, for a session or a page. */
export const randomName = () => Array.from(crypto.getRandomValues(new Uint8Array(6)), byte => "abcdefghjkmnpqrstuvwxyz23456789"[byte % 31]).join("");

/** The server's clock, as this page knows it: from the quickest of the last probes. */
export class Clock {
  #probes = [];

  /** The server said `server_ms` between our `sent_ms` and `received_ms`; at best, half way. */
  learn(sent_ms, server_ms, received_ms) {
    const probe = { round_ms: received_ms - sent_ms, offset_ms: server_ms - (sent_ms + received_ms) / 2 };
    // A clock that has jumped, when a computer slept say, makes the old probes worthless: both can't be right.
    const apart_ms = this.#best && Math.abs(probe.offset_ms - this.#best.offset_ms);
    if (apart_ms > (probe.round_ms + this.#best?.round_ms) / 2 + DRIFT_MS) this.#probes = [];
    this.#probes.push(probe);
    if (this.#probes.length > PROBES_KEPT) this.#probes.shift();
    this.#best = this.#probes.reduce((a, b) => (b.round_ms < a.round_ms ? b : a));
  }
  #best = null;

  forget() { this.#probes = []; }

  /** Whether there were enough probes: a few, and more on a busy computer or network. */
  get known() {
    return this.#probes.length >= PROBES_MOST || (this.#probes.length >= PROBES_LEAST && this.uncertainty_ms <= EXACT_MS);
  }

  /** How wrong our idea of the server's time can be, in ms. */
  get uncertainty_ms() { return this.#best ? this.#best.round_ms / 2 : Infinity; }

  /** The server's time now, in its ms. */
  now() { return performance.now() + (this.#best?.offset_ms ?? 0); }
}

/**
 * Watch a session as a page of it. `on` gets (what, value): everything that the server tells, and
 * ("lost_server", why). Reconnects by itself. Returns { clock, say }.
 */
export function watch(session, page, on) {
  const clock = new Clock();
  let socket, probing;
  const say = what => { if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(what)); };
  const probe = () => say({ clock: performance.now() });

  function connect() {
    socket = new WebSocket(`/watch?session=${session}&page=${page}`);
    socket.onmessage = ({ data }) => {
      const received_ms = performance.now();
      const [[what, value]] = Object.entries(JSON.parse(data));
      if (what === "clock") clock.learn(value.page_ms, value.server_ms, received_ms);
      if (what === "hello") {
        clock.forget(); // a restarted server may run on another machine's clock
        for (let i = 0; i < PROBES_MOST; i++) setTimeout(probe, 40 * i);
        probing = setInterval(probe, PROBE_EVERY_MS);
      }
      on(what, value);
    };
    socket.onclose = ({ code, reason }) => {
      clearInterval(probing);
      on("lost_server", code === 1006 ? "" : reason);
      setTimeout(connect, RETRY_MS);
    };
  }
  connect();
  return { clock, say };
}
