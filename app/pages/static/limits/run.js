// One run of an experiment: what was asked for and what became of it, and the promise that nothing stays open.

/** Thrown at an experiment whose run has been ended. */
class Ended extends Error {}

/** One thing that was asked for: a connection, or a request. All times are the page's, in ms; null: not so far. */
export class Row {
  asked_ms = null; // by the script
  reached_ms = null; // the server's socket, says the tap
  began_ms = null; // open, says the browser; of a fetch: its answer has begun
  left_ms = null; // the whole answer has left the server, says the tap
  ended_ms = null;
  how = null; // closed (by us), answered, lost
  request = null; // which request of which connection, as the tap counts them

  constructor(label, transport, group) { Object.assign(this, { label, transport, group }); }

  get open() { return this.began_ms !== null && this.ended_ms === null; }
  get waits() { return this.asked_ms !== null && this.began_ms === null && this.ended_ms === null; }

  end(how) {
    if (this.ended_ms !== null) return;
    this.ended_ms = performance.now();
    this.how = how;
  }
}

export class Run {
  rows = [];
  marks = []; // { at_ms, text, group }: what else happened
  begun_ms = performance.now();
  ended_ms = null;
  why = null; // done, you, limit, server, page
  stage = "";
  sees = true; // the tap has told everything
  nudges = 0; // how often somebody wanted it to go on
  nudgeable = false;
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
  say(stage) { this.stage = stage; this.changed(); }

  /** Something is new: whoever waits for it looks again, and the picture is drawn anew. */
  changed() {
    for (const check of [...this.#waiting]) check();
    this.#redraw();
  }

  /** Wait until `condition()` holds, but at most so long; resolves to whether it does. */
  until(condition, most_ms) {
    return new Promise((resolve, reject) => {
      const done = (settle, value) => { clearTimeout(timer); this.#waiting.delete(check); settle(value); };
      const check = () => { if (!this.running) done(reject, new Ended()); else if (condition()) done(resolve, true); };
      const timer = setTimeout(() => done(resolve, condition()), most_ms);
      this.#waiting.add(check);
      check();
    });
  }

  wait(ms) { return this.until(() => false, ms); }

  /** Wait so long, unless somebody says to go on. */
  async pause(ms) {
    const before = this.nudges;
    this.nudgeable = true;
    this.#redraw();
    await this.until(() => this.nudges > before, ms);
    this.nudgeable = false;
    this.#redraw();
  }

  nudge() { this.nudges++; this.changed(); }

  mark(text, group, at_ms = performance.now()) { this.marks.push({ at_ms, text, group }); }

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
    this.why = why;
    this.nudgeable = false;
    for (const close of this.#closers.reverse()) close();
    this.changed();
  }

  // What the tap tells. Requests reach the server in the order in which they were asked for, if they do.
  reached(transport, request, at_ms) {
    const row = this.rows.find(row => row.transport === transport && row.asked_ms !== null && row.reached_ms === null);
    if (row) Object.assign(row, { request, reached_ms: Math.max(at_ms, row.asked_ms) });
    this.changed();
  }

  left(request, at_ms) {
    const row = this.rows.find(row => row.request === request);
    if (row) row.left_ms ??= at_ms;
    this.changed();
  }

  published(cursor, at_ms) {
    this.onPublished?.(cursor, at_ms);
    this.changed();
  }

  blind() { this.sees = false; this.changed(); }
}

/** Open an EventSource for real. */
export function stream(run, row) {
  row.asked_ms = performance.now();
  const source = new EventSource(`${run.tap.url}/sse`);
  source.onopen = () => { row.began_ms ??= performance.now(); run.changed(); };
  source.onerror = () => { source.close(); row.end("lost"); run.changed(); };
  row.close = () => { source.close(); row.end("closed"); };
  run.atEnd(row.close);
  run.changed();
  return source;
}

/** Open a WebSocket for real. */
export function socket(run, row) {
  row.asked_ms = performance.now();
  const one = new WebSocket(`${run.tap.url}/websocket`);
  one.onopen = () => { row.began_ms ??= performance.now(); run.changed(); };
  one.onclose = () => { row.end("lost"); run.changed(); };
  row.close = () => {
    row.end("closed");
    // Closing one that is still connecting is an error in the console; so it closes when it has.
    if (one.readyState === WebSocket.CONNECTING) one.onopen = () => one.close();
    else one.close();
  };
  run.atEnd(row.close);
  run.changed();
}

/** Fetch for real; `path` is that of a poll, in the page's session. */
export function ask(run, row, path, options) {
  const stopping = new AbortController();
  row.asked_ms = performance.now();
  row.close = () => { row.end("closed"); stopping.abort(); };
  run.atEnd(row.close);
  fetch(run.tap.url + path, { ...options, signal: stopping.signal })
    .then(answer => { row.began_ms = performance.now(); return answer.text(); })
    .then(() => row.end("answered"), () => row.end("lost"))
    .then(() => run.changed());
  run.changed();
}
