// The wire: what was written on the socket, byte for byte, each part with what it says.
import { html } from "htm/preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { label } from "../words/arrows.js";
import { size } from "../words/format.js";
import * as words from "../words/wire.js";

const LISTED = 60;
const TEXT_MAX = 600;
const decoder = new TextDecoder();
const FRAMING = new Set(["frame_header", "mask"]); // bytes that are not text

/** The list of what crossed the socket, to choose from; the newest at the bottom. */
export function WireList({ arrows, selected, following, onSelect, began_ms }) {
  const list = useRef();
  const shown = arrows.slice(-LISTED);
  useLayoutEffect(() => {
    const chosen = list.current?.querySelector("[aria-selected=true]");
    if (chosen) list.current.scrollTop = following ? list.current.scrollHeight : Math.min(Math.max(list.current.scrollTop, chosen.offsetTop + chosen.offsetHeight - list.current.clientHeight), chosen.offsetTop);
  }, [selected, shown.at(-1)?.id]);
  const move = by => {
    const at = shown.findIndex(arrow => arrow.id === selected);
    onSelect(shown[Math.max(0, Math.min(shown.length - 1, (at < 0 ? shown.length : at) + by))]?.id);
  };
  const keys = { ArrowUp: () => move(-1), ArrowDown: () => move(1), Home: () => move(-LISTED), End: () => move(LISTED) };
  return html`
    <ul class="wire-list" role="listbox" tabindex="0" aria-label=${words.LIST} ref=${list} aria-activedescendant=${selected ? `piece-${selected}` : null}
      onKeyDown=${event => { if (keys[event.key]) { event.preventDefault(); event.stopPropagation(); keys[event.key](); } }}>
      ${shown.map(arrow => html`
        <li key=${arrow.id} id=${`piece-${arrow.id}`} role="option" class=${arrow.tone} aria-selected=${arrow.id === selected ? "true" : "false"} onClick=${() => onSelect(arrow.id)}>
          <span class="direction">${arrow.direction === "up" ? words.UP : words.DOWN}</span>
          <span class="what">${label(arrow)}</span>
          <span class="size">${size(bytesIn(arrow))}</span>
          <span class="when">${((arrow.at_ms - began_ms) / 1000).toFixed(2)} s</span>
        </li>`)}
      ${!shown.length && html`<li role="option" aria-selected="false">${words.NOTHING_YET}</li>`}
    </ul>`;
}

/** One arrow's bytes, part by part. */
export function WireDetail({ arrow }) {
  if (!arrow) return html`<p class="hint">${words.CHOOSE}</p>`;
  const { direction, connection, pieces, at_ms, arrives_ms } = arrow;
  return html`
    <div class="wire-detail" role="region" aria-label=${words.DETAIL} tabindex="0">
      <p class="hint">${words.crossed({ direction, connection, bytes: bytesIn(arrow), pieces: pieces.length, way_ms: arrives_ms - at_ms })}</p>
      <table><caption class="hidden">${words.TABLE}</caption><thead class="hidden"><tr><th scope="col">${words.ON_THE_WIRE}</th><th scope="col">${words.WHAT_IT_SAYS}</th></tr></thead><tbody>
        ${arrow.pieces.map((piece, i) => piece.parts.map(part => html`
          <tr key=${`${i}-${part.start}`} class=${`part ${part.kind}`} data-start=${part.start} data-end=${part.end}>
            <td><code>${shown(piece.bytes.subarray(part.start, part.end), part)}</code></td>
            <td>${part.frame && html`<${Frame} ...${part.frame} />`}${words.note(part)}</td>
          </tr>`))}
      </tbody></table>
    </div>`;
}

function Frame({ fin, opcode, opcodeName, masked, length }) {
  return html`<span class="fields"><b>FIN</b> ${Number(fin)} <b>opcode</b> ${opcode} ${opcodeName} <b>mask</b> ${Number(masked)} <b>length</b> ${length}</span> `;
}

/** A part's bytes for people to read: text as text with its line ends marked, all else in hex. */
export function shown(bytes, { kind, text }) {
  if (FRAMING.has(kind)) return hex(bytes);
  if (text !== undefined) return `${hex(bytes.subarray(0, 8))}${bytes.length > 8 ? " …" : ""} ⊕ mask = ${cut(text)}`;
  const plain = decoder.decode(bytes);
  if (/[\u0000-\u0008\u000e-\u001f\ufffd]/.test(plain)) return hex(bytes.subarray(0, 64));
  return cut(plain).split(/(\r\n|\r|\n)/).map((text, i) => (i % 2 ? html`<span class="line-end">${JSON.stringify(text).slice(1, -1)}</span>${"\n"}` : text));
}

const cut = text => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}${words.more(text.length - TEXT_MAX)}` : text);

const hex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join(" ");

export const bytesIn = arrow => arrow.pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
