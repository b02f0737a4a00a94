// Server-sent events: the browser has it built in, and comes back by itself after a lost connection.
import { post } from "./post.js";

const RETRY_MS = 1000;

/** Receive messages from url/sse. */
export function receive(url, { after }, tell) {
  let stream, retry;
  function connect() {
    stream = new EventSource(after ? `${url}/sse?after=${after}` : `${url}/sse`);
    stream.onopen = tell.connected;
    stream.onmessage = ({ data, lastEventId }) => { after = lastEventId; tell.message(JSON.parse(data)); };
    stream.addEventListener("missed", ({ data, lastEventId }) => { after = lastEventId; tell.missed(JSON.parse(data).missed); });
    stream.onerror = () => {
      tell.lost(new Error("the stream is lost"));
      // It gives up only when the answer was an error, such as from a server that has just started.
      if (stream.readyState === EventSource.CLOSED) retry = setTimeout(connect, RETRY_MS);
    };
  }
  connect();
  return {
    stop() { stream.close(); clearTimeout(retry); },
    publish: publication => post(url, publication),
  };
}
