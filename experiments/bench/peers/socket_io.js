// Node's Socket.IO, over WebSocket alone, and without the first request of each session, as its page on memory advises.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { nextMessage, obey } from "./control.js";

const server = createServer();
const io = new Server(server, { transports: ["websocket"], serveClient: false });
io.engine.on("connection", (socket) => {
  socket.request = null;
});

obey(server, () => io.emit("message", nextMessage()));
