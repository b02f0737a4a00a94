// The histogram of delays.
import { duration } from "./format.js";

export const MEASURED = "measured";
export const FORMULA = "formula";

/** Of `n` messages measured, and of the formula. */
export const summary = ({ n, mean_ms, median_ms, formula_ms }) => n === 0
  ? `Nothing measured yet. The formula predicts a mean of ${duration(formula_ms)}.`
  : `Measured: a mean of ${duration(mean_ms)} over ${n === 1 ? "1 message" : `${n} messages`} (median ${duration(median_ms)}). The formula predicts ${duration(formula_ms)}.`;

export const histogram = ({ most_ms, words }) => `Histogram of delays from 0 to ${duration(most_ms)}. ${words}`;
