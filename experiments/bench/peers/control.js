// What the Node servers share: what they publish, and when. peers/control.py is the same in Python.

import { createInterface } from "node:readline";

const EPOCH = "7f3a90c2";
export const text = process.argv[2];
let made = 0;

export const cursor = () => `${EPOCH}-${made}`;

export function nextMessage() {
  made += 1;
  return { cursor: cursor(), text, published_ms: Number(process.hrtime.bigint()) / 1e6 };
}

// Listen on a free port, say `ready`, and do what standard input says; `publishOne()` publishes one message.
export function obey(server, publishOne) {
  server.listen({ port: 0, host: "127.0.0.1", backlog: 2048 }, () => console.log(`ready ${server.address().port}`));
  const lines = createInterface({ input: process.stdin });
  lines.on("close", () => process.exit());
  lines.on("line", (line) => {
    if (line === "collect") {
      global.gc(); // all of it; node has it with --expose-gc
      console.log("collected");
      return;
    }
    const [perTick, ticks, intervalMs] = line.split(" ").slice(1).map(Number);
    const beganMs = performance.now();
    let done = 0;
    function tick() {
      for (let i = 0; i < perTick; i++) publishOne();
      done += 1;
      if (done < ticks) setTimeout(tick, beganMs + done * intervalMs - performance.now());
      else console.log("published");
    }
    tick();
  });
}
