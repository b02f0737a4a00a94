"""Intervals cover what they say, as often as they say; held against SciPy, and against made-up sessions."""

import math
import random

import pytest
from scipy import stats

from experiments.analysis.statistics import another_session, quantile, student_t


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_students_t_is_scipys(confidence: float) -> None:
    for freedom in (*range(1, 40), 99, 100, 500, 501):
        assert student_t(freedom, confidence) == pytest.approx(stats.t.ppf((1 + confidence) / 2, freedom), rel=1e-9)


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_an_interval_covers_the_quantile_as_often_as_it_says(q: float) -> None:
    rng = random.Random(7)
    covered = 0
    for _ in range(1_000):
        low, value, high = quantile(sorted(rng.random() for _ in range(300)), q, 300)
        assert low <= value <= high
        covered += low <= q <= high
    assert 0.93 <= covered / 1_000 <= 0.98


def test_an_end_beyond_the_sample_is_not_known() -> None:
    low, value, high = quantile([float(i) for i in range(20)], 0.95, 20)
    assert (low, value) == (17.0, 19.0)
    assert math.isnan(high)


def sessions(rng: random.Random, count: int, repeats: int) -> list[list[float]]:
    """Made-up runs: sessions differ by a factor of 18 %, the runs within one by 9 %."""
    found = []
    for _ in range(count):
        session = rng.gauss(0, 0.18)
        found.append([2.0 * math.exp(session + rng.gauss(0, 0.09)) for _ in range(repeats)])
    return found


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_the_interval_between_sessions_covers_the_next_session(count: int) -> None:
    """And the interval that one session's runs give, with the same confidence, does not."""
    rng, covered, within = random.Random(5), 0, 0
    for _ in range(2_000):
        *known, following = sessions(rng, count + 1, repeats=3)
        low, high = another_session([math.fsum(runs) / len(runs) for runs in known])
        value = math.fsum(following) / len(following)
        covered += low <= value <= high
        mean, error = math.fsum(known[0]) / 3, stats.sem(known[0])
        within += abs(value - mean) <= student_t(2) * error * math.sqrt(2)  # both means have that error
    assert 0.9 <= covered / 2_000 <= 0.98
    assert within / 2_000 < 0.85


def test_slow_sessions_that_slow_every_condition_down_are_covered_too() -> None:
    """The conditions of one session share its factor, so they are no further evidence: coverage holds on average."""
    rng, covered = random.Random(6), 0
    for _ in range(300):
        factors = [math.exp(rng.gauss(0, 0.18)) for _ in range(4)]
        for _ in range(10):
            values = [factor * math.exp(rng.gauss(0, 0.05)) for factor in factors]
            low, high = another_session(values[:3])
            covered += low <= values[3] <= high
    assert 0.9 <= covered / 3_000 <= 0.98


def test_equal_sessions_leave_nothing_open_and_one_session_everything() -> None:
    low, high = another_session([0.1 + 0.2, 0.3, 0.3])
    assert low < 0.3 < high < 0.3001
    for values in ([], [1.0], [0.0, 1.0]):
        assert all(math.isnan(end) for end in another_session(values))
