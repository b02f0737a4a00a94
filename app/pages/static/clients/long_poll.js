// Long polling: send a request, wait for its response however long it takes, send the next one at once.
import { post } from "./post.js";

const RETRY_MS = 1000;

/** Receive messages from url/long-poll; the server holds each request for up to `hold_s`. */
export function receive(url, { after, hold_s }, tell) {
  const stopping = new AbortController();
  let lost = false;
  async function poll() {
    // Without a cursor, or after a failure, the first request does not wait: it tells us that we are connected.
    const target = after ? `${url}/long-poll?after=${after}&hold=${lost ? 0 : hold_s}` : `${url}/long-poll?hold=0`;
    const response = await fetch(target, { cache: "no-store", signal: stopping.signal });
    if (!response.ok) throw new Error(await response.text());
    const { missed, messages, cursor } = await response.json();
    lost = false;
    tell.connected();
    if (missed) tell.missed(missed);
    messages.forEach(tell.message);
    after = cursor;
  }
  async function again() {
    const pause_ms = await poll().then(() => 0, problem => { lost = true; tell.lost(problem); return RETRY_MS; });
    if (!stopping.signal.aborted) pause = setTimeout(again, pause_ms);
  }
  let pause = setTimeout(again);
  return {
    stop() { stopping.abort(); clearTimeout(pause); },
    publish: publication => post(url, publication),
  };
}
