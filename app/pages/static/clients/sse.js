// Server-sent events: built into the browser, which reconnects by itself and says where it was.
import { post } from "./post.js";
import { streamLost } from "../words/clients.js";

const RETRY_MS = 1000;

/** Receive messages from url/sse. */
export function receive(url, { after }, tell) {
  let stream, retry;
  function connect() {
    stream = new EventSource(after ? `${url}/sse?after=${after}` : `${url}/sse`);
    stream.onopen = tell.connected;
    stream.onmessage = ({ data, lastEventId }) => { tell.message(JSON.parse(data)); after = lastEventId; };
    stream.addEventListener("missed", ({ data, lastEventId }) => { tell.missed(JSON.parse(data).missed); after = lastEventId; });
    stream.onerror = () => {
      tell.lost(new Error(streamLost()));
      // It gives up only on an error response, such as from a server that has just started.
      if (stream.readyState === EventSource.CLOSED) retry = setTimeout(connect, RETRY_MS);
    };
  }
  connect();
  return {
    stop() { stream.close(); clearTimeout(retry); },
    publish: publication => post(url, publication),
  };
}
