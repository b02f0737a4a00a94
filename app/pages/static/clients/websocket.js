// WebSocket: messages just arrive. Reconnecting is up to us: we say where we were.
import { closed, noConnection } from "../words/clients.js";

const RETRY_MS = 1000;

/** Receive messages from url/websocket. */
export function receive(url, { after }, tell) {
  let socket, retry;
  function connect() {
    socket = new WebSocket(after ? `${url}/websocket?after=${after}` : `${url}/websocket`);
    socket.onopen = tell.connected;
    socket.onmessage = ({ data }) => {
      const { missed, ...update } = JSON.parse(data);
      if (missed) { tell.missed(missed); after = missed.cursor; }
      if ("text" in update) { tell.message(update); after = update.cursor; }
      after ??= update.cursor; // only says where we are; a cursor that we have stays, until what it missed is known
    };
    socket.onclose = event => {
      tell.lost(new Error(closed(event)));
      retry = setTimeout(connect, RETRY_MS);
    };
  }
  connect();
  return {
    stop() {
      clearTimeout(retry);
      socket.onclose = null;
      close(socket);
    },
    // Nothing in the protocol acknowledges a frame: all that can be promised is that it is on its way.
    async publish(publication) {
      if (socket.readyState !== WebSocket.OPEN) throw new Error(noConnection());
      socket.send(JSON.stringify(publication));
    },
  };
}

/** Closing a socket that is still connecting would be an error in the console; it closes as soon as it is open. */
export function close(socket) {
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}
