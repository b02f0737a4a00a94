// The ladder diagram.
import { duration } from "./format.js";

export const BROWSER = "Browser";
export const SERVER = "Server";
export const TITLE = "Ladder diagram: browser on the left, server on the right, time runs down. The list next to it has the same in words";
export const SKETCH = "Sketch: browser on the left, server on the right, time runs down";

/** Where a message was published, the longest first: whichever fits is shown. */
export const published = number => [`message ${number}`, `${number}`];

/** Where a message arrived, the longest first; `took_ms` is null as long as that is secret. */
export const arrived = (number, took_ms) => (took_ms === null ? [`${number}`] : [`${number}: ${duration(took_ms)}`, duration(took_ms)]);

/** Beside the bar of a request at the server. */
export const held = seconds => `held for ${seconds} s`;
export const open = seconds => `open for ${seconds} s`;

/** What happened at one moment: labels of words/marks.js. */
export const marks = labels => `✕ ${labels.join("; ")}`;
