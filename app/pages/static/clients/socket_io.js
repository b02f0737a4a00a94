// Socket.IO: the library does it all. It picks what works, reconnects, and has publications acknowledged.
import { io } from "socket.io-client";
import { disconnected } from "../words/clients.js";

// It starts with polling and upgrades to WebSocket once that is seen to work; or it is told to use only one of the two.
const TRANSPORTS = { upgrade: ["polling", "websocket"], websocket: ["websocket"], polling: ["polling"] };

/** Receive messages from url/socket.io/, where `url` is a path. */
export function receive(url, { after = null, via = "upgrade" }, tell) {
  // It calls `auth` whenever it connects, so the server learns where to resume.
  const socket = io({ path: `${url}/socket.io/`, transports: TRANSPORTS[via], auth: give => give({ after }) });
  socket.on("connect", tell.connected);
  socket.on("cursor", ({ cursor }) => { after ??= cursor; }); // one that we have stays, until what it missed is known
  socket.on("missed", missed => { tell.missed(missed); after = missed.cursor; });
  socket.on("message", message => { tell.message(message); after = message.cursor; });
  socket.on("connect_error", tell.lost);
  socket.on("disconnect", reason => tell.lost(new Error(disconnected(reason))));
  return {
    stop: () => socket.disconnect(),
    async publish(publication) {
      const message = await socket.emitWithAck("publish", publication);
      if (message.error) throw new Error(message.error);
      return message;
    },
  };
}
