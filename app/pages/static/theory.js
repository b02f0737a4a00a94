// The formulas for a message's delay (experiments/analysis/theory.py has all of them, and their derivation).
// Times in seconds. u, d: one-way delays up and down; T: pause; tau: hold; lambda: rate; g = u + d + T, the time without a request at the server.

/** Pushed: the way down, always. As `polling`. */
export const push = delay_s => ({ mean_s: delay_s, most_s: delay_s, waitingShare: 0, shareWithin: within_s => Number(within_s >= delay_s) });

/** Polled: { mean_s, most_s, waitingShare: of messages that wait for a request, shareWithin(delay_s): of those that take no longer }. */
export function polling(rate_hz, down_s, gap_s, hold_s) {
  const perGap = rate_hz * gap_s;
  const perResponse = perGap + Math.exp(-perGap) * (1 - Math.exp(-rate_hz * hold_s));
  const waitingShare = hold_s === 0 ? 1 : perGap === 0 ? 0 : perGap / perResponse;
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
