// What a page is set to is in its address, so that a lecturer can prepare links.

/**
 * Read the settings from the address. `known` says of each its default, and how a text is read: a [low, high] range of
 * numbers, or a pattern for a name. Returns { values, problems }: what is not understood is said, and the default taken.
 */
export function read(known, search = location.search) {
  const asked = new URLSearchParams(search);
  const values = {}, problems = [];
  for (const [name, { otherwise, range, pattern }] of Object.entries(known)) {
    const text = asked.get(name);
    values[name] = otherwise;
    if (text === null) continue;
    if (range) {
      const number = text.trim() === "" ? NaN : Number(text);
      if (number >= range[0] && number <= range[1]) values[name] = number;
      else problems.push(`${name}=${text.slice(0, 20)} in the address is no number from ${range[0]} to ${range[1]}: ${otherwise} is taken`);
    } else if (pattern.test(text)) values[name] = text;
    else problems.push(`${name}=${text.slice(0, 20)} in the address is not understood, and left out`);
  }
  for (const name of asked.keys()) {
    if (!(name in known)) problems.push(`${name.slice(0, 20)} in the address is not known here: ${Object.keys(known).join(", ")} are`);
  }
  return { values, problems };
}

/** The address of this page with these settings; those with their default are left out. */
export function address(known, values) {
  const asked = new URLSearchParams();
  for (const [name, { otherwise }] of Object.entries(known)) if (values[name] !== otherwise) asked.set(name, values[name]);
  return location.pathname + (asked.size ? `?${asked}` : "");
}
