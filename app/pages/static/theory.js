// What the formulas say about a message's delay (experiments/theory.py has them all, and their derivation).
// Times in seconds. u, d: the ways up and down; T: pause; tau: hold; lambda: rate; g = u + d + T, with no question at the server.

const HEARTBEAT_S = 25; // Socket.IO's, which answers a question that is held for so long

/** { mean_s, most_s, waitingShare, shareWithin(delay_s) } for a transport and its settings; `polls`: so does Socket.IO. */
export function expected(transport, { rate_hz, delay_s, interval_s, hold_s, polls }) {
  if (transport === "short_poll") return polling(rate_hz, delay_s, 2 * delay_s + interval_s, 0);
  if (transport === "long_poll") return polling(rate_hz, delay_s, 2 * delay_s, hold_s);
  if (transport === "socket_io" && polls) return polling(rate_hz, delay_s, 2 * delay_s, HEARTBEAT_S);
  return { mean_s: delay_s, most_s: delay_s, waitingShare: 0, shareWithin: within_s => Number(within_s >= delay_s) };
}

function polling(rate_hz, down_s, gap_s, hold_s) {
  const perGap = rate_hz * gap_s;
  const perAnswer = perGap + Math.exp(-perGap) * (1 - Math.exp(-rate_hz * hold_s));
  const waitingShare = hold_s === 0 ? 1 : perGap === 0 ? 0 : perGap / perAnswer;
  return {
    mean_s: down_s + (waitingShare * gap_s) / 2,
    most_s: down_s + gap_s,
    waitingShare,
    shareWithin(within_s) {
      if (within_s < down_s) return 0;
      return 1 - waitingShare + waitingShare * (gap_s ? Math.min(1, (within_s - down_s) / gap_s) : 1);
    },
  };
}
