// Socket.IO: the library does it all. It finds a way through, comes back by itself, and has its publishing acknowledged.
import { io } from "socket.io-client";

// It polls at first and moves to WebSocket once that is seen to work; or it is told to do only one of the two.
const TRANSPORTS = { upgrade: ["polling", "websocket"], websocket: ["websocket"], polling: ["polling"] };

/** Receive messages from url/socket.io/, where `url` is a path. */
export function receive(url, { after = null, via = "upgrade" }, tell) {
  // Whenever it connects, it asks for `auth`: we say where we were.
  const socket = io({ path: `${url}/socket.io/`, transports: TRANSPORTS[via], auth: give => give({ after }) });
  socket.on("connect", tell.connected);
  socket.on("cursor", ({ cursor }) => { after = cursor; });
  socket.on("missed", missed => { after = missed.cursor; tell.missed(missed); });
  socket.on("message", message => { after = message.cursor; tell.message(message); });
  socket.on("connect_error", tell.lost);
  socket.on("disconnect", reason => tell.lost(new Error(`the connection is lost: ${reason}`)));
  return {
    stop: () => socket.disconnect(),
    async publish(publication) {
      const answer = await socket.emitWithAck("publish", publication);
      if (answer.error) throw new Error(answer.error);
      return answer;
    },
  };
}
