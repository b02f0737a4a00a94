// Short polling: ask what is new, take it, pause, ask again.
import { post } from "./post.js";

/** Receive messages from url/short-poll, one question every `interval_s`. */
export function receive(url, { after, interval_s }, tell) {
  const stopping = new AbortController();
  async function ask() {
    const question = after ? `${url}/short-poll?after=${after}` : `${url}/short-poll`;
    const answer = await fetch(question, { cache: "no-store", signal: stopping.signal });
    if (!answer.ok) throw new Error(await answer.text());
    const { missed, messages, cursor } = await answer.json();
    after = cursor;
    tell.connected();
    if (missed) tell.missed(missed);
    messages.forEach(tell.message);
  }
  async function again() {
    await ask().catch(tell.lost);
    if (!stopping.signal.aborted) pause = setTimeout(again, interval_s * 1000);
  }
  let pause = setTimeout(again);
  return {
    stop() { stopping.abort(); clearTimeout(pause); },
    publish: publication => post(url, publication),
  };
}
