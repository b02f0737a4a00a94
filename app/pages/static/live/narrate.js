// What just happened, in one sentence: which one, and with what facts. The sentences are in words/.
import { arrived, SENTENCES } from "../words/arrows.js";
import { duration } from "../words/format.js";
import { markSentence } from "../words/marks.js";

const AT_ONCE_MS = 20;

/**
 * A sentence about an update (what, value; see session.js), after `model` has learned it, in a transport's `words`; "" if it
 * is not worth one. `secret`: how long it took is not said.
 */
export function narrate(words, what, value, model, secret = false) {
  if (what === "piece") return crossed(words, model);
  if (what === "published") return words.published({ cursor: value.cursor, held: model.holds.some(hold => hold.to_ms === null) });
  if (what === "arrived") return arrived({ cursor: value.message.cursor, took: secret ? "" : duration(value.at_ms - value.message.published_ms) });
  if (what === "closed") return markSentence({ kind: "connection_closed" });
  return what === "mark" ? markSentence(value) : "";
}

/** The last arrow. */
function crossed(words, model) {
  const arrow = model.arrows.at(-1), say = words.arrows[arrow.kind] ?? SENTENCES[arrow.kind];
  if (!say) return "";
  const waited_ms = Math.max(0, ...(arrow.cursors ?? []).map(cursor => model.messages.get(cursor)).filter(Boolean).map(({ published_ms, sent_ms }) => sent_ms - published_ms));
  return say({ ...arrow, bytes: arrow.pieces.reduce((sum, piece) => sum + piece.bytes.length, 0), waited: waited_ms > AT_ONCE_MS ? duration(waited_ms) : "" });
}
