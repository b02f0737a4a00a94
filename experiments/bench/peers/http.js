// Node's http: short polls, which get their response at once, and long polls, which may be held for one.

import { createServer } from "node:http";
import { cursor, nextMessage, obey } from "./control.js";

const kept = [];
const held = new Map(); // by response: after which cursor, and the timer that ends it

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  const after = url.searchParams.get("after");
  const holdS = url.pathname === "/long-poll" ? Number(url.searchParams.get("hold") ?? 25) : 0;
  if (!holdS || after !== cursor()) return respond(response, after);
  held.set(response, [after, setTimeout(end, holdS * 1000, response)]);
  response.on("close", () => forget(response));
});
server.keepAliveTimeout = 120_000;

function respond(response, after) {
  const messages = after ? kept.slice(Number(after.split("-")[1])) : [];
  const body = `{"messages":[${messages.join(",")}],"cursor":"${cursor()}"}`;
  response.writeHead(200, {
    "content-type": "application/json",
    "cache-control": "no-store",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

function forget(response) {
  clearTimeout(held.get(response)?.[1]);
  held.delete(response);
}

function end(response) {
  const [after] = held.get(response);
  forget(response);
  respond(response, after);
}

obey(server, () => {
  kept.push(JSON.stringify(nextMessage()));
  if (held.size) setImmediate(() => [...held.keys()].forEach(end)); // once per turn, with all that is new
});
