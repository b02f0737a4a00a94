// The chat page: who is present, the log, and a line to write.
import { html, render } from "htm/preact";
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { address, read } from "./live/address.js";
import { PAUSE_S, room } from "./chat/room.js";
import { PALETTE, shape } from "./draw/marker.js";
import { TRANSPORTS } from "./transports/index.js";
import * as words from "./words/chat.js";
import { markSentence } from "./words/marks.js";

const TEXT_MAX = 4000; // letters; the server takes 16,384 bytes

const KNOWN = { transport: { otherwise: "sse", pattern: new RegExp(`^(${Object.keys(PALETTE).join("|")})$`) } };
const { values, problems } = read(KNOWN);
const problem = signal(problems.join(" "));
const transport = signal(values.transport), name = signal(sessionStorage.getItem("name") ?? "");
const { line, people, shown, cost, outbox, join, leave, say, drop, again, cut } = room();

const inside = () => line.value.transport !== "";

/** Join, or change, with what the form says. */
async function enter() {
  const wanted = name.value.trim();
  problem.value = "";
  if (!wanted) problem.value = words.NAME_FIRST;
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
    <form class="you" aria-label=${words.YOU} onSubmit=${submit}>
      <label for="name">${words.YOUR_NAME}</label>
      <p class="row">
        <input id="name" value=${name} maxlength="40" autocomplete="off" aria-describedby="name-says" onInput=${event => { name.value = event.target.value; }} onBlur=${rename} />
        ${inside() ? html`<button key="leave" type="button" onClick=${goodbye}>${words.LEAVE}</button>` : html`<button key="join">${words.JOIN}</button>`}
      </p>
      <p class="hint" id="name-says">${words.ANY_NAME}</p>
      <fieldset>
        <legend>${words.RECEIVE_OVER}</legend>
        ${Object.keys(PALETTE).map(one => html`
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
      <h2 id="present-title">${words.present(people.value.length)}</h2>
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
  // A screen reader reads out only what arrives from now on.
  const live = shown.value.some(one => one.live);
  return html`
    <div class="log" role="log" aria-label=${words.LOG} aria-live=${live ? "polite" : "off"} tabindex="0" ref=${place} onScroll=${scrolled}>
      ${shown.value.length === 0 && html`<p class="hint">${words.nothingYet(inside())}</p>`}
      <ol>
        ${shown.value.map(one => html`<${Said} key=${one.cursor} one=${one} />`)}
        ${outbox.value.map(one => html`<${Unsaid} key=${one.key} one=${one} />`)}
      </ol>
    </div>`;
}

function Said({ one }) {
  const { cursor, missed, people: notice, name: who, text, own_ms } = one;
  if (missed) return html`<li class="server gap">${markSentence({ kind: `missed_${missed}` })}</li>`;
  if (notice) return html`<li class="server" data-cursor=${cursor}><bdi>${text}</bdi></li>`;
  return html`
    <li class=${own_ms === null ? "said" : "said own"} data-cursor=${cursor}>
      <span class="who">${who ? html`<bdi>${who}</bdi>` : words.NO_NAME} ${own_ms !== null && html`<span class="own">${words.OWN}</span>`}</span>
      <span class="text" dir="auto">${text}</span>
      <${Took} one=${one} />
    </li>`;
}

/** How long it took, and over what. */
function Took({ one }) {
  if (!one.live) return html`<span class="took">${words.BEFORE}</span>`;
  return html`<span class="took" data-over=${one.over}><${Icon} of=${one.over} /> ${words.took(one)}</span>`;
}

function Unsaid({ one }) {
  const { text, state, why } = one;
  return html`
    <li class="said own unsaid" data-state=${state}>
      <span class="who"><bdi>${one.name}</bdi> <span class="own">${words.OWN}</span></span>
      <span class="text" dir="auto">${text}</span>
      <span class="took">${words.UNSENT[state](why)} ${state === "failed" && html`
        <button type="button" onClick=${() => again(one)}>${words.SEND_AGAIN}</button> <button type="button" onClick=${() => drop(one)}>${words.DISCARD}</button>`}</span>
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
  // A button clicked by mouse gives the focus back to the text; one pressed by keyboard keeps it.
  const write = event => { if (event.pointerType === "mouse") field.current.focus(); };
  const cutMine = event => { write(event); cut().catch(refusal => { problem.value = refusal.message; }); };
  return html`
    <form class="speak" aria-label=${words.SAY} onSubmit=${submit}>
      <div class="above"><p class="line" role="status" data-state=${line.value.state}>${words.STATUS[line.value.state](line.value)}</p>${joined && html`<${Cost} />`}</div>
      <p class="row">
        <input id="text" ref=${field} maxlength=${TEXT_MAX} autocomplete="off" aria-label=${words.MESSAGE} aria-describedby="speaks" placeholder=${joined ? words.SAY : words.JOIN_FIRST} disabled=${!joined} />
        <button id="send" disabled=${!joined} onClick=${write}>${words.SEND}</button>
        <button type="button" id="cut" disabled=${!joined} onClick=${cutMine}>${words.CUT}</button>
      </p>
      <p class="hint" id="speaks">${TRANSPORTS[transport.value].words.chat({ pause_s: PAUSE_S })}</p>
    </form>`;
}

function Cost() {
  const { requests, bytes } = cost.value;
  return html`<p class="cost" data-requests=${requests} data-bytes=${bytes}>${requests > 0 && words.cost(cost.value)}</p>`;
}

for (const here of document.querySelectorAll(".here")) here.textContent = location.origin;
render(html`<${Page} />`, document.getElementById("chat"));
