// Stop, step, continue: updates wait at the gate while the picture is stopped. The wire does not stop.

const WAITING_MAX = 100_000;
const WAITING_MAX_BYTES = 33_554_432;

export class Gate {
  stopped = false;
  waiting = [];
  #bytes = 0;
  #apply;
  #joins;
  #full;

  /**
   * `apply(update)` is called for whatever passes, and returns whether there is something new to see; `joins(update)`
   * tells whether it belongs to what is seen already. An update has `at_ms`, and is stepped through in that order;
   * and `bytes`, about how much memory it takes. `full()` is called when so much waits that the gate has opened by itself.
   */
  constructor(apply, joins, full) { this.#apply = apply; this.#joins = joins; this.#full = full; }

  push(update) {
    if (!this.stopped) this.#apply(update);
    else {
      this.#bytes += update.bytes;
      if (this.waiting.push(update) > WAITING_MAX || this.#bytes > WAITING_MAX_BYTES) { this.go(); this.#full(); }
    }
  }

  stop() { this.stopped = true; }

  /** Let through what happened next, up to the first thing that can be seen. */
  step() {
    this.stopped = true;
    this.waiting.sort((one, other) => one.at_ms - other.at_ms);
    while (this.waiting.length && !this.#next());
    while (this.waiting.length && this.#joins(this.waiting[0])) this.#next();
  }

  #next() {
    const update = this.waiting.shift();
    this.#bytes -= update.bytes;
    return this.#apply(update);
  }

  go() {
    this.stopped = false;
    this.#bytes = 0;
    for (const update of this.waiting.splice(0)) this.#apply(update);
  }
}
