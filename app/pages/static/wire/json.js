// JSON that comes in several pieces: what is remembered of its text, and how deep in its brackets a byte stands.

/** How much of one unfinished line or message is remembered. */
const KEEP_MAX_BYTES = 1_048_576;

/** Text that comes in several pieces; a character may be cut in two. */
export class Kept {
  text = "";
  size = 0;
  #decoder = new TextDecoder();

  add(bytes) {
    const room = Math.max(KEEP_MAX_BYTES - this.size, 0);
    this.text += this.#decoder.decode(bytes.subarray(0, room), { stream: true });
    this.size += bytes.length;
  }
}

/** Reads JSON byte by byte: `depth(byte)` is in how many brackets it is, itself included. */
export class Nesting {
  #depth = 0;
  #quoted = false;
  #escaped = false;

  depth(byte) {
    const before = this.#depth, character = String.fromCharCode(byte);
    if (this.#escaped) this.#escaped = false;
    else if (character === "\\") this.#escaped = true;
    else if (character === '"') this.#quoted = !this.#quoted;
    else if (!this.#quoted && "{[".includes(character)) this.#depth++;
    else if (!this.#quoted && "}]".includes(character)) this.#depth--;
    return Math.max(before, this.#depth);
  }
}

/** JSON as an object; an empty one if it is no JSON. */
export function parse(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
