// What a viewer is asked to guess before it is shown: how long a message takes. Which delays there are to choose from.

const OPTIONS = 4;

/**
 * Of a transport's descriptor with `settings` (transports/index.js): { options_s, right_s }. The options are in order; how
 * many of them are lower than the right one differs from question to question, so that no rule but thinking finds it.
 */
export function prediction(transport, settings) {
  const right_s = transport.expected(settings).mean_s;
  const [lower, higher] = transport.wrong_s(settings).map(delays_s => distinct(delays_s, right_s));
  const below = lower.filter(delay_s => delay_s < right_s), above = [...higher, ...lower].filter(delay_s => delay_s > right_s);
  const wanted = seed(transport.words.question(settings)) % Math.min(OPTIONS, below.length + 1);
  const count = Math.max(wanted, Math.min(below.length, OPTIONS - 1 - above.length));
  const options_s = [right_s, ...below.slice(0, count), ...above.slice(0, OPTIONS - 1 - count)];
  return { options_s: options_s.sort((a, b) => a - b), right_s };
}

/** Those that nobody would take for another, or for the right one. */
function distinct(delays_s, right_s) {
  const kept = [];
  for (const delay_s of delays_s) {
    if ([right_s, ...kept].every(one_s => Math.abs(one_s - delay_s) > 0.15 * Math.max(one_s, delay_s, 0.02))) kept.push(delay_s);
  }
  return kept;
}

/** A number that differs between texts (FNV-1a). */
function seed(text) {
  let hash = 2166136261;
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619) >>> 0;
  return hash >>> 8;
}

export const isRight = (option_s, right_s) => Math.abs(option_s - right_s) < 0.02 * right_s + 1e-9;
