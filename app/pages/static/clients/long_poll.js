// Long polling: ask, wait for the answer however long it takes, take it, ask again at once.
import { post } from "./post.js";

const RETRY_MS = 1000;

/** Receive messages from url/long-poll; each question is held up to `hold_s`. */
export function receive(url, { after, hold_s }, tell) {
  const stopping = new AbortController();
  let lost = false;
  async function ask() {
    // Who doesn't know where it stands, or whether it is connected again, asks that first, without waiting.
    const question = after ? `${url}/long-poll?after=${after}&hold=${lost ? 0 : hold_s}` : `${url}/long-poll?hold=0`;
    const answer = await fetch(question, { cache: "no-store", signal: stopping.signal });
    if (!answer.ok) throw new Error(await answer.text());
    const { missed, messages, cursor } = await answer.json();
    after = cursor;
    lost = false;
    tell.connected();
    if (missed) tell.missed(missed);
    messages.forEach(tell.message);
  }
  async function again() {
    const pause_ms = await ask().then(() => 0, problem => { lost = true; tell.lost(problem); return RETRY_MS; });
    if (!stopping.signal.aborted) pause = setTimeout(again, pause_ms);
  }
  let pause = setTimeout(again);
  return {
    stop() { stopping.abort(); clearTimeout(pause); },
    publish: publication => post(url, publication),
  };
}
