"""What numbers can be relied on for: quantiles and intervals, each with the assumption that it makes."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
"""Of every interval here."""


@cache
def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """How many standard errors a two-sided interval of Student's t reaches to each side; `freedom` >= 1.

    The distribution function is a finite series in cos(theta), t = sqrt(freedom) tan(theta) (M. Abramowitz and
    I. A. Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4); it is inverted by bisection.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        theta = (low + high) / 2
        low, high = (theta, high) if _inside(theta, freedom) < confidence else (low, theta)
    return math.sqrt(freedom) * math.tan(low)


def _inside(theta: float, freedom: int) -> float:
    """The share of Student's t between -sqrt(freedom) tan(theta) and sqrt(freedom) tan(theta)."""
    cos, odd = math.cos(theta), freedom % 2
    term, total = (cos, cos) if odd else (1.0, 1.0)
    for k in range(2 + odd, freedom - 1, 2):
        term *= cos * cos * (k - 1) / k
        total += term
    if not odd:
        return math.sin(theta) * total
    return 2 / math.pi * (theta + (math.sin(theta) * total if freedom > 1 else 0.0))


def quantile(
    ordered: "Sequence[float] | npt.NDArray[np.float64]", q: float, independent: int
) -> tuple[float, float, float]:
    """(low, value, high) of the q-quantile of `ordered`, of which only so many values are independent.

    The 95 % interval lies between two order statistics (normal approximation of the binomial; H. A. David and
    H. N. Nagaraja, Order Statistics, 3rd ed., section 7.1). An end that would lie beyond the sample is NaN: so few
    values say nothing about it.
    """
    n, half = len(ordered), 1.96 * math.sqrt(q * (1 - q) / independent)

    def at(share: float) -> float:
        return float(ordered[min(n - 1, int(n * share))]) if 0 < share < 1 else math.nan

    return at(q - half), at(q), at(q + half)


def another_session(values: Sequence[float]) -> tuple[float, float]:
    """(low, high): where one more session's value lies, 95 times in 100, given one value of each session so far.

    Runs of one session share whatever the machine was doing at that time, so their number makes no interval between
    sessions narrower. What counts is one value per session (T. Kalibera and R. Jones, Rigorous Benchmarking in
    Reasonable Time, ISMM 2013: the interval comes from the means at the topmost level of repetition). Sessions
    differ by factors and not by milliseconds, so the logarithms are taken to be normal; for those,
    mean -/+ t s sqrt(1 + 1/n) with n - 1 degrees of freedom holds one more value (W. Q. Meeker, G. J. Hahn and
    L. A. Escobar, Statistical Intervals, 2nd ed., section 4.7). Variances are not pooled over conditions: a session
    that is slow is slow in all of them, so they are no further evidence. NaN for fewer than two values, and for
    values that are not positive.
    """
    n = len(values)
    if n < 2 or not min(values) > 0:
        return math.nan, math.nan
    logs = [math.log(value) for value in values]
    mean = math.fsum(logs) / n
    deviation = math.sqrt(math.fsum((log - mean) ** 2 for log in logs) / (n - 1))
    half = student_t(n - 1) * deviation * math.sqrt(1 + 1 / n)
    half = max(half, 1e-9)  # equal values: rounding must not put the next one outside
    return math.exp(mean - half), math.exp(min(mean + half, 700.0))
