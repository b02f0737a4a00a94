// The readers of one lane, as this page drives them: in a session of its own, where everybody is told by tasks, or by the hub.
import { watch } from "../live/feed.js";

const REPORT_MS = 10_000; // far more than any message takes

/** There are no readers any more; `why` is what the server says (app/crowd.py), or "server" if it can't be reached. */
export class Ended extends Error {
  constructor(why) { super(why); this.why = why; }
}

export class Crowd {
  there = null; // whether the server can be reached; null: not yet known
  readers = 0; // connected
  #feed;
  #waits = null; // for the next thing of a kind: { kind, resolve, reject }
  #gone; // why there are no readers
  #ended;

  /** `changed()` is called when the server or the readers have come or gone, and `ended(why)` when they are lost. */
  constructor(fanOut, page, changed, ended) {
    this.fanOut = fanOut;
    this.#ended = ended;
    this.#feed = watch(`${page}-${fanOut}`, page, (what, value) => {
      if (what === "hello") {
        this.#feed.say({ settings: { publish_hz: 0, delay_ms: 0, upgrades: "pass", fan_out: fanOut } });
        this.there = true;
      } else if (what === "lost_server") {
        this.there = false;
        this.#end("server");
      } else if (what === "crowd") this.#learn(value);
      else return;
      changed();
    });
  }

  /** Connect that many readers. Rejects with Ended. */
  open(readers, transport) { return this.#next("open", { crowd: { readers, transport } }); }

  /** Publish; resolves to what the readers report of it: { cursor, delays_ms, busy_ms }. Rejects with Ended. */
  async publish(text) {
    if (!this.readers) throw new Ended(this.#gone);
    return this.#next("cursor", { publish: text });
  }

  /** The readers are not needed any more. */
  close() {
    this.#feed.say({ crowd: null });
    this.readers = 0;
  }

  /** Say this, and wait for the next thing of that kind. */
  async #next(kind, what) {
    if (!this.there) throw new Ended("server");
    const next = new Promise((resolve, reject) => { this.#waits = { kind, resolve, reject }; });
    const limit = setTimeout(() => this.#end("lost"), REPORT_MS);
    this.#feed.say(what);
    return next.finally(() => clearTimeout(limit));
  }

  #learn(value) {
    if ("ended" in value) return this.#end(value.ended);
    if ("open" in value) this.readers = value.open;
    if (this.#waits && this.#waits.kind in value) {
      this.#waits.resolve(value);
      this.#waits = null;
    }
  }

  #end(why) {
    this.readers = 0;
    this.#gone = why;
    this.#waits?.reject(new Ended(why));
    this.#waits = null;
    this.#ended(why);
  }
}
