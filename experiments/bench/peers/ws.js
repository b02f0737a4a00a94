// Node's ws, broadcasting as its README does.

import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { nextMessage, obey } from "./control.js";

const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });

obey(server, () => {
  const message = Buffer.from(JSON.stringify(nextMessage()));
  sockets.clients.forEach((client) => {
    if (client.readyState === WebSocket.OPEN) client.send(message, { binary: false });
  });
});
