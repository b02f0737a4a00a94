// The chat: people on every transport talk to each other.
import { html, render } from "htm/preact";
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { address, read } from "./live/address.js";
import { INTERVAL_S, room } from "./chat/room.js";
import { PALETTE, shape } from "./draw/marker.js";
import { duration, size } from "./words/format.js";

const TRANSPORTS = Object.keys(PALETTE);
const TEXT_MAX = 4000; // letters; the server takes 16,384 bytes
const SPEAKS = {
  short_poll: `You hear by asking every ${INTERVAL_S} s, and speak by POST: a request of its own.`,
  long_poll: "You hear by a question that is held, and speak by POST: a request of its own.",
  sse: "You hear by an answer that never ends, and speak by POST: a request of its own.",
  websocket: "You hear by frames of one connection, and speak by frames of the same.",
  socket_io: "You hear and speak by events: over one WebSocket where that gets through, else by held questions and POSTs.",
};

const KNOWN = { transport: { otherwise: "sse", pattern: new RegExp(`^(${TRANSPORTS.join("|")})$`) } };
const { values, problems } = read(KNOWN);
const problem = signal(problems.join(". "));
const transport = signal(values.transport), name = signal(sessionStorage.getItem("name") ?? "");
const { line, people, shown, cost, outbox, join, leave, say, drop, again, cut } = room();

const inside = () => line.value.transport !== "";

/** Join, or change, with what the form says. */
async function enter() {
  const wanted = name.value.trim();
  problem.value = "";
  if (!wanted) problem.value = "Give a name first: any will do.";
  else {
    try {
      await join(wanted, transport.value);
      sessionStorage.setItem("name", wanted); // for this tab, when it is loaded again
    } catch (refusal) {
      problem.value = refusal.message;
      if (inside()) remember(line.value.transport);
    }
  }
}

function choose(chosen) {
  remember(chosen);
  if (inside()) enter();
}

function remember(chosen) {
  transport.value = values.transport = chosen;
  history.replaceState(null, "", address(KNOWN, values));
}

function goodbye() {
  sessionStorage.removeItem("name");
  leave();
}

addEventListener("pagehide", leave);
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); }); // back from the browser's cache
if (name.value) enter();

function Page() {
  return html`
    <${You} />
    <${Present} />
    <${Log} />
    <${Speak} />`;
}

const Icon = ({ of }) => html`<svg class="mark-icon" viewBox="-10 -10 20 20" data-transport=${of} aria-hidden="true"><path d=${shape(of)} /></svg>`;
function You() {
  const submit = event => { event.preventDefault(); enter(); };
  const rename = () => { if (inside() && name.value.trim() !== line.value.name) enter(); };
  return html`
    <form class="you" aria-label="You" onSubmit=${submit}>
      <label for="name">Your name</label>
      <p class="row">
        <input id="name" value=${name} maxlength="40" autocomplete="off" aria-describedby="name-says" onInput=${event => { name.value = event.target.value; }} onBlur=${rename} />
        ${inside() ? html`<button key="leave" type="button" onClick=${goodbye}>Leave</button>` : html`<button key="join">Join</button>`}
      </p>
      <p class="hint" id="name-says">Nobody checks names: anybody can take any.</p>
      <fieldset>
        <legend>You hear over</legend>
        ${TRANSPORTS.map(one => html`
          <label key=${one} data-transport=${one}>
            <input type="radio" name="transport" value=${one} checked=${transport.value === one} onChange=${() => choose(one)} /> <${Icon} of=${one} /> ${PALETTE[one].title}
          </label>`)}
      </fieldset>
      ${problem.value && html`<p class="notice" role="alert">${problem}</p>`}
    </form>`;
}

function Present() {
  if (!inside()) return null;
  return html`
    <section class="present" aria-labelledby="present-title">
      <h2 id="present-title">${people.value.length} present</h2>
      <ul>${people.value.map(([who, over], i) => html`<li key=${i}><${Icon} of=${over} /> <bdi>${who}</bdi> <span class="over">${PALETTE[over].title}</span></li>`)}</ul>
    </section>`;
}

function Log() {
  const place = useRef(), atEnd = useRef(true);
  useLayoutEffect(() => { if (atEnd.current) place.current.scrollTop = place.current.scrollHeight; });
  useEffect(() => {
    const stay = new ResizeObserver(() => { if (atEnd.current) place.current.scrollTop = place.current.scrollHeight; });
    stay.observe(place.current);
    return () => stay.disconnect();
  }, []);
  const scrolled = ({ target }) => { atEnd.current = target.scrollTop + target.clientHeight > target.scrollHeight - 40; };
  // What was said before is not read out: only what comes.
  const live = shown.value.some(one => one.live);
  return html`
    <div class="log" role="log" aria-label="What is said" aria-live=${live ? "polite" : "off"} tabindex="0" ref=${place} onScroll=${scrolled}>
      ${shown.value.length === 0 && html`<p class="hint">${inside() ? "Nothing was said yet." : "Join, and you see what was said in the last while."}</p>`}
      <ol>
        ${shown.value.map(one => html`<${Said} key=${one.cursor} one=${one} />`)}
        ${outbox.value.map(one => html`<${Unsaid} key=${one.key} one=${one} />`)}
      </ol>
    </div>`;
}

function Said({ one }) {
  const { cursor, gap, people: notice, name: who, text, own_ms } = one;
  if (gap) return html`<li class="server gap">${gap}</li>`;
  if (notice) return html`<li class="server" data-cursor=${cursor}><bdi>${text}</bdi></li>`;
  return html`
    <li class=${own_ms === null ? "said" : "said own"} data-cursor=${cursor}>
      <span class="who">${who ? html`<bdi>${who}</bdi>` : "(no name)"}</span>
      <span class="text" dir="auto">${text}</span>
      <${Took} one=${one} />
    </li>`;
}

/** How long it took, and over what. */
function Took({ one: { over, live, took_ms, own_ms } }) {
  if (!live) return html`<span class="took">before you came</span>`;
  const title = PALETTE[over].title;
  return html`
    <span class="took" data-over=${over}><${Icon} of=${over} /> ${own_ms === null
      ? html`over ${title} in <b>${duration(took_ms)}</b>`
      : html`over ${title} <b>${duration(own_ms)}</b> after Enter`}</span>`;
}

function Unsaid({ one }) {
  const { text, state, why } = one;
  return html`
    <li class="said own unsaid" data-state=${state}>
      <span class="who"><bdi>${one.name}</bdi></span>
      <span class="text" dir="auto">${text}</span>
      ${state === "failed"
        ? html`<span class="took">perhaps not sent: ${why} <button type="button" onClick=${() => again(one)}>Send again</button> <button type="button" onClick=${() => drop(one)}>Forget it</button></span>`
        : html`<span class="took">${state === "waiting" ? "waits for the connection" : "on its way"}</span>`}
    </li>`;
}

function Speak() {
  const field = useRef();
  const joined = inside();
  useEffect(() => { if (joined) field.current.focus(); }, [joined]);
  const submit = event => {
    event.preventDefault();
    const text = field.current.value.trim().toWellFormed();
    if (!text || !joined) return;
    say(text);
    field.current.value = "";
  };
  return html`
    <form class="speak" aria-label="Say something" onSubmit=${submit}>
      <div class="above"><p class="line" role="status" data-state=${line.value.state}>${status()}</p>${joined && html`<${Cost} />`}</div>
      <p class="row">
        <input id="text" ref=${field} maxlength=${TEXT_MAX} autocomplete="off" aria-label="Your message" aria-describedby="speaks" placeholder=${joined ? "Say something" : "Join first"} disabled=${!joined} />
        <button id="send" disabled=${!joined}>Send</button>
        <button type="button" id="cut" disabled=${!joined} onClick=${() => cut().catch(refusal => { problem.value = refusal.message; })}>Cut my connection</button>
      </p>
      <p class="hint" id="speaks">${SPEAKS[transport.value]}</p>
    </form>`;
}

function Cost() {
  const { requests, bytes } = cost.value;
  return html`<p class="cost" data-requests=${requests} data-bytes=${bytes}>${requests > 0 && `So far: ${requests} request${requests > 1 ? "s" : ""}, ${size(bytes)}`}</p>`;
}

function status() {
  const { state, transport: over, why } = line.value;
  if (state === "outside") return "You are not in the chat.";
  if (state === "lost") return `No connection over ${PALETTE[over].title}${why && ` (${why})`}. It is tried again, and what you write waits.`;
  return state === "there" ? `Connected over ${PALETTE[over].title}.` : `Connecting over ${PALETTE[over].title} …`;
}

for (const here of document.querySelectorAll(".here")) here.textContent = location.origin;
render(html`<${Page} />`, document.getElementById("chat"));
