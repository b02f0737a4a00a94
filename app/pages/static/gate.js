// Stop, step, continue: news waits at the gate while the picture stands still. The wire goes on meanwhile.

const WAITING_MAX = 20_000;

export class Gate {
  stopped = false;
  waiting = [];
  #apply;
  #joins;

  /**
   * `apply(news)` is called for whatever passes, and returns whether there is something new to see; `joins(news)`
   * tells whether it belongs to what is seen already. News has `at_ms`, and is stepped through in that order.
   */
  constructor(apply, joins) { this.#apply = apply; this.#joins = joins; }

  push(news) {
    if (!this.stopped) this.#apply(news);
    else if (this.waiting.push(news) > WAITING_MAX) this.go(); // stopped for so long that nobody is looking
  }

  stop() { this.stopped = true; }

  /** Let through what happened next, up to the first thing that can be seen. */
  step() {
    this.stopped = true;
    this.waiting.sort((one, other) => one.at_ms - other.at_ms);
    while (this.waiting.length && !this.#apply(this.waiting.shift()));
    while (this.waiting.length && this.#joins(this.waiting[0])) this.#apply(this.waiting.shift());
  }

  go() {
    this.stopped = false;
    for (const news of this.waiting.splice(0)) this.#apply(news);
  }
}
