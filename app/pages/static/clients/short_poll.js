// Short polling: ask what is new, take it, pause, ask again.
import { post } from "./post.js";

/** Receive messages from url/short-poll, with a pause of `pause_s` after each response. */
export function receive(url, { after, pause_s }, tell) {
  const stopping = new AbortController();
  async function poll() {
    const target = after ? `${url}/short-poll?after=${after}` : `${url}/short-poll`;
    const response = await fetch(target, { cache: "no-store", signal: stopping.signal });
    if (!response.ok) throw new Error(await response.text());
    const { missed, messages, cursor } = await response.json();
    tell.connected();
    if (missed) tell.missed(missed);
    messages.forEach(tell.message);
    after = cursor;
  }
  async function again() {
    await poll().catch(tell.lost);
    if (!stopping.signal.aborted) pause = setTimeout(again, pause_s * 1000);
  }
  let pause = setTimeout(again);
  return {
    stop() { stopping.abort(); clearTimeout(pause); },
    publish: publication => post(url, publication),
  };
}
