// WebSocket: messages just come. Coming back after a lost connection is up to us: say where we were.
const RETRY_MS = 1000;

/** Receive messages from url/websocket. */
export function receive(url, { after }, tell) {
  let socket, retry;
  function connect() {
    socket = new WebSocket(after ? `${url}/websocket?after=${after}` : `${url}/websocket`);
    socket.onopen = tell.connected;
    socket.onmessage = ({ data }) => {
      const { missed, ...news } = JSON.parse(data);
      after = (missed ?? news).cursor; // also in the first frame, which only says where we stand
      if (missed) tell.missed(missed);
      if ("text" in news) tell.message(news);
    };
    socket.onclose = ({ code, reason }) => {
      tell.lost(new Error(`the connection is closed, code ${code} ${reason}`.trim()));
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
    // Nothing in the protocol answers a frame: all that can be promised is that it is on its way.
    async publish(publication) {
      if (socket.readyState !== WebSocket.OPEN) throw new Error("there is no connection at the moment");
      socket.send(JSON.stringify(publication));
    },
  };
}

/** Closing one that is still connecting would be an error in the console; it closes as soon as it has. */
export function close(socket) {
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}
