// What tests/app/pages/test_wire.py wants of wire/ and words/wire.js, which precede this in the same worker.

// As the descriptors in transports/ say.
const framing = target => [[/^[^?]*\/(short|long)-poll(\?|$)/, "batch"], [/^[^?]*\/socket\.io\/(\?|$)/, "packets"]].find(([path]) => path.test(target))?.[1] ?? null;

const bytes = text => Uint8Array.from(atob(text), character => character.charCodeAt(0));

const read = (connection, direction, piece) => {
  const { parts, facts } = connection.read(direction, piece);
  let end = 0;
  for (const part of parts) {
    if (part.start !== end || part.end <= part.start) throw new Error(`not covered: ${JSON.stringify(parts)}`);
    part.note = note(part);
    if (!/^[^ ].{4,}$/.test(part.note) || /undefined|NaN|object/.test(part.note)) throw new Error(part.note);
    delete part.about;
    end = part.end;
  }
  if (end !== piece.length) throw new Error(`${end} of ${piece.length} bytes are covered`);
  return { parts, facts };
};

const dissect = cases => cases.map(pieces => {
  const connection = new Connection(framing);
  return pieces.map(([direction, data]) => {
    if (direction === "resync") return connection.resync(), { parts: [], facts: [] };
    return read(connection, direction, bytes(data));
  });
});

// What was said of the bytes in each direction, and what happened, in all pieces together.
const summary = pieces => {
  const connection = new Connection(framing);
  const said = { up: [], down: [] }, facts = [];
  for (const [direction, piece] of pieces) {
    const found = read(connection, direction, piece);
    for (const { kind, start, end } of found.parts) {
      const last = said[direction].at(-1);
      if (last?.kind === kind) last.size += end - start;
      else said[direction].push({ kind, size: end - start });
    }
    facts.push(...found.facts);
  }
  return JSON.stringify([said, facts]);
};

const cut = (pieces, at) => {
  let passed = 0, next = 0;
  return pieces.flatMap(([direction, piece]) => {
    const parts = [];
    let start = 0;
    for (; at[next] < passed + piece.length; next++) {
      parts.push([direction, piece.subarray(start, at[next] - passed)]);
      start = at[next] - passed;
    }
    passed += piece.length;
    return [...parts, [direction, piece.subarray(start)]];
  });
};

// Which ways to cut the same bytes make a difference.
const differing = ([pieces, cuttings]) => {
  const whole = pieces.map(([direction, data]) => [direction, bytes(data)]);
  const expected = summary(whole);
  return cuttings.filter(at => summary(cut(whole, at)) !== expected);
};

onmessage = ({ data: [question, argument] }) => {
  postMessage(JSON.stringify({ dissect, differing }[question](JSON.parse(argument))));
};
