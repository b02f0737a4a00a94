// What else happened, beside messages and bytes: as a label in the ladder, and as a sentence.
import { size } from "./format.js";

/** Of each kind of mark (live/session.js), its label and its sentence. */
const MARKS = {
  connection_closed: () => ["connection closed", "The connection closed."],
  cut: () => ["cut", "You cut the connection."],
  server_lost: () => ["server lost", "The connection to the server was lost."],
  new_log: () => ["new log: counters reset", "A new log has begun: the server restarted, or nobody was watching. The counters are reset."],
  behind: ({ things, bytes }) => [`${things} things not seen`, `This page was too slow: it missed ${things} things, ${size(bytes)}.`],
  gate_full: () => ["resumed by itself", "The picture resumed by itself: more was waiting than this page can keep."],
  upgrades_pass: () => ["WebSocket gets through", "WebSocket gets through."],
  upgrades_refuse: () => ["WebSocket refused", "WebSocket is refused."],
  upgrades_cut: () => ["WebSocket cut off", "WebSocket is cut off."],
  missed_restarted: () => ["a new log", "A new log has begun: what was in the old one is gone."],
  missed_expired: () => ["some messages missed", "Some messages were missed: the server no longer keeps them."],
  missed_ahead: () => ["position unknown to the server", "The server no longer knows this position."],
};

export const markLabel = mark => MARKS[mark.kind](mark)[0];
export const markSentence = mark => MARKS[mark.kind](mark)[1];

/** The same, of a transport, in the race. */
export const markOf = (title, mark) => `${title}: ${markSentence(mark)}`;
