// What has reached the server: the tap tells it, and it is passed on to the current run, in this page's own time.
import { Sockets } from "../wire/sockets.js";
import { randomName, watch } from "../live/feed.js";

export class Tap {
  newest = null; // the cursor of the newest message in this page's session
  ready = false;
  why = "";
  run = null; // the current one
  #sockets = new Sockets();
  #name = randomName();
  #feed;

  /** `changed()` is called when the server is there, or lost. */
  constructor(changed) {
    this.url = `/s/${this.#name}/${this.#name}`;
    this.#feed = watch(this.#name, this.#name, (what, value) => {
      const was = this.ready;
      this.#learn(what, value);
      if (this.ready !== was) changed();
    });
  }

  say(what) { this.#feed.say(what); }

  /** How wrong the server's times can be here, in ms. */
  get uncertainty_ms() { return this.#feed.clock.uncertainty_ms; }

  /** A time of the server's clock in this page's. */
  #here(server_ms) { return server_ms - (this.#feed.clock.now() - performance.now()); }

  #learn(what, value) {
    if (what === "hello") {
      this.newest = value.newest;
      this.#sockets.forget();
    } else if (what === "clock") this.ready = true;
    else if (what === "lost_server") {
      this.ready = false;
      this.why = value;
      this.run?.end("server");
    } else if (what === "published") {
      this.newest = value.cursor;
      this.run?.published(value.cursor, this.#here(value.published_ms));
    } else if (what === "piece") {
      const { transport, connection, at_ms, facts } = this.#sockets.read(value);
      for (const { type, number } of facts) {
        if (type === "request") this.run?.reached(transport, `${connection}/${number}`, this.#here(at_ms));
        if (type === "response_end") this.run?.left(`${connection}/${number}`, this.#here(at_ms));
      }
    } else if (what === "closed") this.#sockets.closed(value.connection);
    else if (what === "lost") {
      this.#sockets.resync();
      this.run?.blind();
    }
  }
}
