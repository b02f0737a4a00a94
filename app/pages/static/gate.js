// Stop, step, continue: news waits at the gate while the picture stands still. The wire goes on meanwhile.

const WAITING_MAX = 20_000;

export class Gate {
  stopped = false;
  waiting = [];
  #apply;

  /** `apply(news)` is called for each piece of news that passes; it returns whether there is something new to see. */
  constructor(apply) { this.#apply = apply; }

  push(news) {
    if (!this.stopped) this.#apply(news);
    else if (this.waiting.push(news) > WAITING_MAX) this.go(); // stopped for so long that nobody is looking
  }

  stop() { this.stopped = true; }

  /** Let through what happened next, up to the first thing that can be seen. */
  step() {
    this.stopped = true;
    while (this.waiting.length && !this.#apply(this.waiting.shift()));
  }

  go() {
    this.stopped = false;
    for (const news of this.waiting.splice(0)) this.#apply(news);
  }
}
