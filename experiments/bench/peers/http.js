// Node's http: short polls alone.

import { createServer } from "node:http";
import { cursor, nextMessage, obey } from "./control.js";

const kept = [];

const server = createServer((request, response) => {
  const after = new URL(request.url, "http://localhost").searchParams.get("after");
  const messages = after ? kept.slice(Number(after.split("-")[1])) : [];
  const body = `{"messages":[${messages.join(",")}],"cursor":"${cursor()}"}`;
  response.writeHead(200, {
    "content-type": "application/json",
    "cache-control": "no-store",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
});
server.keepAliveTimeout = 120_000;

obey(server, () => kept.push(JSON.stringify(nextMessage())));
