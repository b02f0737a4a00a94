// The picture of a run: a row per connection or request, what the browser says of it, and when it reached the server.
import { html } from "htm/preact";
import * as words from "../words/limits.js";

const AXES_S = [4, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30];

/** What the browser says of a row: { text, tone }. */
function browserSays({ requested_ms, opened_ms, ended_ms, how }, now_ms) {
  if (requested_ms === null) return { text: words.BROWSER.planned(), tone: "none" };
  if (how === "lost") return { text: words.BROWSER.failed(), tone: "waits" };
  if (how === "responded") return { text: words.BROWSER.responded(ended_ms - requested_ms), tone: "good" };
  if (opened_ms !== null) return ended_ms === null ? { text: words.BROWSER.open(opened_ms - requested_ms), tone: "good" } : { text: words.BROWSER.opened(opened_ms - requested_ms), tone: "past" };
  if (ended_ms !== null) return { text: words.BROWSER.cancelled(ended_ms - requested_ms), tone: "waits" };
  return { text: words.BROWSER.waiting(now_ms - requested_ms), tone: "waits" };
}

/** When it reached the server, as the tap saw it. */
function serverSaw({ requested_ms, sent_ms, ended_ms }, sees = true) {
  if (requested_ms === null) return { text: words.SERVER.planned(), tone: "none" };
  // Below a millisecond, the two clocks do not agree well enough to say more.
  if (sent_ms !== null) return { text: sent_ms - requested_ms < 1 ? words.SERVER.at_once() : words.SERVER.reached(sent_ms - requested_ms), tone: "past" };
  if (!sees) return { text: words.SERVER.unknown(), tone: "past" };
  return { text: ended_ms === null ? words.SERVER.not_yet() : words.SERVER.never(), tone: "waits" };
}

/** How much time the picture shows, in ms: it grows in steps, because an axis that grows all the time is hard to read. */
export function span(from_ms, now_ms, least_s = AXES_S[0]) {
  return 1000 * (AXES_S.find(s => s >= least_s && 1000 * s > now_ms - from_ms) ?? Math.ceil((now_ms - from_ms) / 1000));
}

export function Axis({ span_ms }) {
  const step_s = span_ms <= 6000 ? 1 : span_ms <= 12000 ? 2 : span_ms <= 30000 ? 5 : 10 ** Math.floor(Math.log10(span_ms / 2000));
  const stops = Array.from({ length: Math.floor(span_ms / 1000 / step_s) + 1 }, (_, i) => i * step_s);
  return html`<div class="axis" aria-hidden="true">${stops.map(s => html`<span style=${{ left: `${(100_000 * s) / span_ms}%` }}>${s}${s === stops.at(-1) ? " s" : ""}</span>`)}</div>`;
}

/** Rows with their bars; each group begins at its own zero. */
export function Rows({ rows, marks, now_ms, sees, least_s, caption }) {
  const groups = [...new Set(rows.map(row => row.group))];
  const begin = group => Math.min(...rows.filter(row => row.group === group && row.requested_ms !== null).map(row => row.requested_ms), Infinity);
  const end = group => Math.max(...rows.filter(row => row.group === group).map(row => (row.requested_ms === null ? 0 : row.ended_ms ?? now_ms)));
  const span_ms = Math.max(...groups.map(group => span(Math.min(begin(group), now_ms), Math.max(end(group), 0), least_s)));
  return html`
    <table class="rows">
      <caption class="hidden">${caption}</caption>
      <thead><tr><th scope="col"><span class="hidden">${words.COLUMNS.what}</span></th><th scope="col" class="time"><span class="hidden">${words.COLUMNS.time}</span><${Axis} span_ms=${span_ms} /></th>
        <th scope="col">${words.COLUMNS.browser}</th><th scope="col">${words.COLUMNS.server}</th></tr></thead>
      ${groups.map(group => html`
        <tbody key=${group}>
          ${group && html`<tr class="group"><th colspan="4" scope="rowgroup">${words.GROUPS[group]}</th></tr>`}
          ${rows.filter(row => row.group === group).map((row, i) => html`<${One} key=${row.label} row=${row} from_ms=${begin(group)} span_ms=${span_ms} now_ms=${now_ms} sees=${sees}
            marks=${marks.filter(mark => mark.group === group)} first=${i === 0} />`)}
        </tbody>`)}
    </table>
    <p class="legend"><span class="key waiting"></span> ${words.LEGEND.waiting} <span class="key sent"></span> ${words.LEGEND.sent}
      ${marks.length > 0 && html` <span class="key event"></span> ${words.MARKS[marks[0].kind]}`}</p>`;
}

function One({ row, from_ms, span_ms, now_ms, sees, marks, first }) {
  const at = ms => `${Math.min(100, Math.max(0, (100 * (ms - from_ms)) / span_ms))}%`;
  const bar = (kind, since_ms, until_ms) => html`<i class=${`bar ${kind}`} style=${{ left: at(since_ms), width: `calc(${at(until_ms)} - ${at(since_ms)})` }}></i>`;
  const { requested_ms, ended_ms } = row;
  const sent_ms = row.sent_ms ?? row.opened_ms, last_ms = ended_ms ?? now_ms;
  const browser = browserSays(row, now_ms), server = serverSaw(row, sees);
  return html`
    <tr data-transport=${row.transport}>
      <th scope="row">${row.label}</th>
      <td class="time"><div class="track" aria-hidden="true">
        ${requested_ms !== null && bar("waiting", requested_ms, sent_ms ?? last_ms)}
        ${requested_ms !== null && sent_ms !== null && bar("sent", sent_ms, last_ms)}
        ${marks.map(mark => html`<i class="event" style=${{ left: at(mark.at_ms) }}></i>`)}
      </div></td>
      <td class=${`browser ${browser.tone}`}>${browser.text}</td>
      <td class=${`server ${server.tone}`} data-label=${words.REACHED}>${server.text}</td>
    </tr>`;
}
