// A question to think about before the answer is shown: how long will a message take?
import { html } from "htm/preact";
import { expected } from "../theory.js";
import { capital, round } from "./format.js";

/** What is asked of a transport with its settings: { question, options_s, answer_s, because }. */
export function prediction(transport, settings) {
  const { delay_s, interval_s, hold_s, polls } = settings;
  const { mean_s, most_s, waitingShare } = expected(transport, settings);
  const way = said(delay_s);
  const each = `Each way takes ${way}.`;
  const held = `A held question is answered at once, so a message takes the way down, ${way}. ${capital(share(waitingShare))} of them are published while no question is there, and wait for the next: at worst until ${said(most_s)} have passed.`;
  const texts = {
    short_poll: {
      question: `After each answer the browser pauses for ${said(interval_s)}. ${each} How long does a message take, on average, from when it is published until the browser has it?`,
      others_s: [delay_s, interval_s, most_s, 2 * most_s],
      because: `It waits for the next question to arrive: half the time between two questions, on average. That is half of ${said(interval_s + 2 * delay_s)}: the pause and the way there and back. Then it travels down, ${way}. At worst it takes ${said(most_s)}.`,
    },
    long_poll: {
      question: `The server holds each question for up to ${said(hold_s)}. ${each} How long does a message take, on average?`,
      others_s: [hold_s / 2, hold_s, 6 * delay_s, delay_s + 1],
      because: held,
    },
    sse: {
      question: `The answer is never over. ${each} How long does a message take, on average?`,
      others_s: [2 * delay_s, 3 * delay_s, delay_s + 1],
      because: `It takes the way down, ${way}, and nothing else: no question has to come first.`,
    },
    websocket: {
      question: `The connection is there, and both sides may speak. ${each} How long does a message take, on average?`,
      others_s: [2 * delay_s, 3 * delay_s, delay_s + 1],
      because: `It takes the way down, ${way}, and nothing else. SSE is just as fast: WebSocket's difference is the way up.`,
    },
  };
  texts.socket_io = polls ? {
    question: `Socket.IO polls: the server holds each question until there is news. ${each} How long does a message take, on average?`,
    others_s: [2 * delay_s, 3 * delay_s, delay_s + 1],
    because: `It is long polling. ${held} Around each message are 14 bytes of Socket.IO, beside those of a request and its answer.`,
  } : {
    question: `Socket.IO has found that WebSocket gets through, and uses it. ${each} How long does a message take, on average?`,
    others_s: [2 * delay_s, 3 * delay_s, delay_s + 1],
    because: `It is a WebSocket: the way down, ${way}, and nothing else. Around each message are 14 bytes of Socket.IO, and the frame's own 2 to 4.`,
  };
  const { question, others_s, because } = texts[transport];
  const options_s = [mean_s];
  for (const other_s of others_s) {
    if (options_s.length < 4 && options_s.every(one_s => Math.abs(one_s - other_s) > 0.15 * Math.max(one_s, other_s, 0.02))) options_s.push(other_s);
  }
  return { question, options_s: options_s.sort((a, b) => a - b), answer_s: mean_s, because };
}

const said = seconds => round(seconds * 1000);
const share = part => (part < 0.005 ? "hardly any" : `${Math.round(100 * part)} %`);

/** The question with its options; `onAnswer(option_s)` when one is chosen, null for "just show me". */
export function Question({ prediction, onAnswer }) {
  return html`
    <div class="question">
      <p>${prediction.question}</p>
      <p class="options">
        ${prediction.options_s.map(option_s => html`<button type="button" onClick=${() => onAnswer(option_s)}>${said(option_s)}</button>`)}
        <button type="button" class="quiet" onClick=${() => onAnswer(null)}>Just show me</button>
      </p>
    </div>`;
}
