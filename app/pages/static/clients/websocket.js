// WebSocket: messages just come. Coming back after a lost connection is up to us: say where we were.
const RETRY_MS = 1000;

/** Receive messages from url/websocket. Returns a function that stops it. */
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
    socket.onclose = ({ code }) => {
      tell.lost(new Error(`the connection is closed, code ${code}`));
      retry = setTimeout(connect, RETRY_MS);
    };
  }
  connect();
  return () => {
    clearTimeout(retry);
    socket.onclose = null;
    close(socket);
  };
}

/** Closing one that is still connecting would be an error in the console; it closes as soon as it has. */
export function close(socket) {
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}
