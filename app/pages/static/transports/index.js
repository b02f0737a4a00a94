// Every transport as the pages know it, in teaching order. Adding one costs a client, a descriptor, its words and a line here.
//
//   receive    its client, clients/NAME.js: receive(url, options, tell) -> { stop, publish }. tell has connected(),
//              lost(problem), missed({ reason, cursor }), message(message); publish({ text, name }) is a promise of the
//              message that it becomes, and rejects with the server's words (WebSocket promises only that it is sent)
//   words      all sentences about it, words/transports/NAME.js
//   settings   the settings of its own, { name: default } (live/settings.js)
//   framing    what its response bodies are made of: "batch", "packets", or null for what their headers say
//   upgrade    whether it needs WebSocket to get through: "required", "optional" (it falls back), or null
//   expected   (settings) -> what theory says about a message's delay (theory.js)
//   wrong_s    (settings) -> delays that somebody may well guess instead, [lower, higher]
//   arrows_hz  (settings) -> about how many arrows a second the ladder has
//   setup      (settings) -> the kinds of arrows (live/arrow.js) that come once for a connection, not for messages
//   sketch     its ladder on the home page, on a scale from 0 to 1000: `requests`; `responses`, with their tone;
//              `messages`, [published, arrived]; `holds`, [from, to]; `open`, from when; `frames` from the browser
//
// `settings` as the functions get them: { rate_hz, delay_s, pause_s, hold_s, via, upgrades }.
import { long_poll } from "./long_poll.js";
import { short_poll } from "./short_poll.js";
import { socket_io } from "./socket_io.js";
import { sse } from "./sse.js";
import { websocket } from "./websocket.js";

export const TRANSPORTS = { short_poll, long_poll, sse, websocket, socket_io };
