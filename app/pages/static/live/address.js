// What a page is set to is in its address, so that a lecturer can prepare links.
import { givenTwice, notAccepted, outOfRange, unknown } from "../words/address.js";

const SHOWN_MAX = 20; // characters of what is wrong

/**
 * Read the settings from the address. `known` says of each its default, how a text is read: a [low, high] range of
 * numbers, or a pattern for a name, and perhaps the name that it had in older links. Returns { values, problems }: what
 * can't be used is said, and the default taken.
 */
export function read(known, search = location.search) {
  const given = new URLSearchParams(search);
  const values = {}, problems = [];
  for (const [name, { otherwise, range, pattern, formerly }] of Object.entries(known)) {
    const texts = [...given.getAll(name), ...(formerly ? given.getAll(formerly) : [])];
    values[name] = otherwise;
    if (!texts.length) continue;
    const [text] = texts, shown = text.slice(0, SHOWN_MAX);
    if (range) {
      const number = text.trim() === "" ? NaN : Number(text);
      if (number >= range[0] && number <= range[1]) values[name] = number;
      else problems.push(outOfRange({ name, text: shown, low: range[0], high: range[1], otherwise }));
    } else if (pattern.test(text)) values[name] = text;
    else problems.push(notAccepted({ name, text: shown }));
    if (texts.length > 1) problems.push(givenTwice({ name, text: shown }));
  }
  const names = Object.entries(known).flatMap(([name, { formerly }]) => [name, formerly]);
  for (const name of new Set(given.keys())) if (!names.includes(name)) problems.push(unknown({ name: name.slice(0, SHOWN_MAX), known: Object.keys(known) }));
  return { values, problems };
}

/** The address of this page with these settings; those with their default are left out. */
export function address(known, values) {
  const given = new URLSearchParams();
  for (const [name, { otherwise }] of Object.entries(known)) if (values[name] !== otherwise) given.set(name, values[name]);
  return location.pathname + (given.size ? `?${given}` : "");
}
