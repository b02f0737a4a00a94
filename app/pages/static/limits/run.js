// One run of an experiment: its connections and requests, what became of them, and the promise that nothing stays open.
import { close } from "../clients/websocket.js";
import { label } from "../words/limits.js";

/** Thrown at an experiment whose run has been ended. */
class Ended extends Error {}

/** A response that is broken off can hold its connection for 5 s more: Chromium reads on, to reuse the connection if it ends. */
const DRAINS_MS = 5500;
let drained_ms = 0; // from then on, nothing that was closed before holds a connection

/** A connection, or a request. All times are the page's, in ms; null: not yet. */
export class Row {
  requested_ms = null; // by the script
  reached_ms = null; // the server's socket, says the tap
  opened_ms = null; // open, says the browser; of a fetch: its response has begun
  left_ms = null; // its whole response has left the server, says the tap
  ended_ms = null;
  how = null; // closed (by us), responded, lost

  constructor(transport, number, group) { Object.assign(this, { transport, number, group }); }

  get label() { return label(this.transport, this.number); }

  /** When it reached the server, as far as the two clocks agree: not before the script sent it, nor after the browser knew. */
  get sent_ms() { return this.reached_ms === null ? null : Math.max(this.requested_ms, Math.min(this.reached_ms, this.opened_ms ?? Infinity)); }

  get open() { return this.opened_ms !== null && this.ended_ms === null; }
  get waits() { return this.requested_ms !== null && this.opened_ms === null && this.ended_ms === null; }

  /** It is open, unless it was given up before. */
  opened() { if (this.ended_ms === null) this.opened_ms ??= performance.now(); }

  end(how) {
    if (this.ended_ms !== null) return;
    this.ended_ms = performance.now();
    this.how = how;
  }
}

export class Run {
  rows = [];
  marks = []; // { at_ms, kind, row, group }: what else happened
  begun_ms = performance.now();
  ended_ms = null;
  why = null; // done, you, limit, server, page
  stage = "";
  sees = true; // the tap has told everything
  nudges = 0; // how often it was told to continue
  nudgeable = false;
  #requests = {}; // by transport, as the tap saw them
  #waiting = new Set();
  #closers = [];
  #limit;
  #redraw;

  constructor(tap, limit_ms, redraw) {
    this.tap = tap;
    this.#redraw = redraw;
    this.#limit = setTimeout(() => this.end("limit"), limit_ms);
  }

  get running() { return this.ended_ms === null; }

  /** What is happening, in a sentence. */
  say(stage) { this.stage = stage; this.#redraw(); }

  /** Something has changed: check every condition that somebody waits for. */
  changed() {
    this.#pair();
    for (const check of [...this.#waiting]) check();
    if (!this.running) this.#redraw(); // the tap told us late
  }

  /** Wait until `condition()` holds, but at most for `most_ms`; resolves to whether it does. */
  until(condition, most_ms) {
    return new Promise((resolve, reject) => {
      const done = (settle, value) => { clearTimeout(timer); this.#waiting.delete(check); settle(value); };
      const check = () => { if (!this.running) done(reject, new Ended()); else if (condition()) done(resolve, true); };
      const timer = setTimeout(() => done(resolve, condition()), most_ms);
      this.#waiting.add(check);
      check();
    });
  }

  /** How long to wait for something to open: at least `least_ms`, and until what was closed before is out of its way. */
  patience_ms(least_ms) { return Math.max(least_ms, drained_ms - performance.now()); }

  wait(ms) { return this.until(() => false, ms); }

  /** Wait this long, unless told to continue. */
  async pause(ms) {
    const before = this.nudges;
    this.nudgeable = true;
    this.#redraw();
    await this.until(() => this.nudges > before, ms);
    this.nudgeable = false;
    this.#redraw();
  }

  nudge() { this.nudges++; this.changed(); }

  /** Something else happened, of a kind in words.MARKS: to `row`, or to a group of rows. */
  mark(kind, { row, group, at_ms = performance.now() } = {}) { this.marks.push({ at_ms, kind, row, group }); }

  /** Do this when the run ends, however it does. */
  atEnd(close) { this.#closers.push(close); }

  /** Do the experiment; it ends when `perform` has, or earlier. */
  async go(perform) {
    try {
      await perform();
      this.end("done");
    } catch (problem) {
      this.end("page");
      if (!(problem instanceof Ended)) throw problem;
    }
  }

  end(why) {
    if (!this.running) return;
    clearTimeout(this.#limit);
    this.ended_ms = performance.now();
    drained_ms = this.ended_ms + DRAINS_MS;
    this.why = why;
    this.nudgeable = false;
    for (const close of this.#closers.reverse()) close();
    this.changed();
  }

  /** The tap saw a request. One that came after the end was sent because everything was closed, and shows nothing. */
  reached(transport, name, reached_ms) {
    if (!this.running && reached_ms > this.ended_ms - this.tap.uncertainty_ms) return;
    (this.#requests[transport] ??= []).push({ name, reached_ms, left_ms: null });
    this.changed();
  }

  /** The tap saw the end of its response. */
  left(name, left_ms) {
    for (const request of Object.values(this.#requests).flat()) if (request.name === name) request.left_ms = left_ms;
    this.changed();
  }

  /** Requests are alike; the first that reached the server is that of the row that was the first to open, and so on. */
  #pair() {
    for (const [transport, requests] of Object.entries(this.#requests)) {
      const rows = this.rows.filter(row => row.transport === transport && row.requested_ms !== null);
      rows.sort((a, b) => (a.opened_ms ?? Infinity) - (b.opened_ms ?? Infinity) || a.requested_ms - b.requested_ms);
      rows.forEach((row, i) => Object.assign(row, requests[i] && { reached_ms: requests[i].reached_ms, left_ms: requests[i].left_ms }));
    }
  }

  published(cursor, at_ms) {
    this.onPublished?.(cursor, at_ms);
    this.changed();
  }

  blind() { this.sees = false; this.changed(); }
}

/** Open an EventSource for real. */
export function stream(run, row) {
  row.requested_ms = performance.now();
  const source = new EventSource(`${run.tap.url}/sse`);
  source.onopen = () => { row.opened(); run.changed(); };
  source.onerror = () => { source.close(); row.end("lost"); run.changed(); };
  row.close = () => { source.close(); row.end("closed"); };
  run.atEnd(row.close);
  run.changed();
  return source;
}

/** Open a WebSocket for real. */
export function socket(run, row) {
  row.requested_ms = performance.now();
  const one = new WebSocket(`${run.tap.url}/websocket`);
  one.onopen = () => { row.opened(); run.changed(); };
  one.onclose = () => { row.end("lost"); run.changed(); };
  row.close = () => {
    row.end("closed");
    close(one);
  };
  run.atEnd(row.close);
  run.changed();
}

/** Fetch for real; `path` is that of a poll, in the page's session. */
export function request(run, row, path, options) {
  const stopping = new AbortController();
  row.requested_ms = performance.now();
  row.close = () => { row.end("closed"); stopping.abort(); };
  run.atEnd(row.close);
  fetch(run.tap.url + path, { ...options, signal: stopping.signal })
    .then(response => { row.opened(); return response.text(); })
    .then(() => row.end("responded"), () => row.end("lost"))
    .then(() => run.changed());
  run.changed();
}
