"""How far made-up sessions differ, and how often the intervals held: as it was put in."""

import json
import math
import random

import pandas as pd
import pytest

from experiments.analysis.sessions import between, left_out_of, off_percent, to_websocket, within
from experiments.analysis.tables import table
from experiments.design import Condition, every_variant
from experiments.report.reference import named
from tests.inventing import Result, a_table

CONDITIONS = every_variant(rate_hz=5.0, clients=1)
SESSION, RUN = 0.18, 0.09
"""By what factors sessions, and the runs within one, differ (standard deviations of the logarithm)."""


def runs_of(rng: random.Random, sessions: int, shared: bool, run: float = RUN) -> pd.DataFrame:
    """Three runs of each condition in each session; the session's factor is each condition's own, or shared by all."""
    rows = []
    for session in range(sessions):
        common = rng.gauss(0, SESSION)
        for condition in CONDITIONS:
            factor = common if shared else rng.gauss(0, SESSION)
            for _ in range(3):
                delay_ms = 2.0 * math.exp(factor + rng.gauss(0, run))
                rows.append({**vars(condition), "variant": condition.variant, "session": session, "delay_ms": delay_ms})
    return pd.DataFrame(rows)


def means(runs: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in runs.columns if name != "delay_ms"]
    return runs.groupby(keys, sort=False).delay_ms.mean().rename("delay_mean_ms").reset_index()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("sessions", [3, 5])
def test_what_is_left_out_lies_in_the_others_interval_as_often_as_stated(sessions: int, shared: bool) -> None:
    """And in the interval of one session's runs alone, far less often: that is what was wrong with it."""
    rng = random.Random(2)
    inside = of = alone = alone_of = 0
    for _ in range(40):
        runs = runs_of(rng, sessions, shared)
        others, single = left_out_of(means(runs), "delay_mean_ms"), within(runs)
        inside, of = inside + others.inside, of + others.of
        alone, alone_of = alone + single.inside, alone_of + single.of
    assert of == 40 * sessions * len(CONDITIONS)
    assert 0.9 <= inside / of <= 0.98
    assert alone / alone_of < 0.85


def test_a_factor_that_all_variants_share_is_gone_from_ratios() -> None:
    rows = means(runs_of(random.Random(3), 6, shared=True, run=0.01))
    off = {
        name: off_percent([its.to_list() for _, its in frame.groupby("variant")[name]])
        for name, frame in (("delay_mean_ms", rows), ("ratio", to_websocket(rows)))
    }
    assert off["delay_mean_ms"] == pytest.approx(100 * SESSION, rel=0.5)
    assert off["ratio"] < 2


def test_differences_are_medians_of_pairs() -> None:
    assert off_percent([[1.0, 1.1], [2.0, 2.4, 2.4], []]) == pytest.approx(100 * (math.sqrt(1.1 * 1.2) - 1))
    assert math.isnan(off_percent([[1.0]]))


def sessions_of(count: int, step_ms: float) -> list[list[pd.DataFrame]]:
    """(runs, deliveries) of each session; each takes a step more than the one before it."""

    def near(condition: Condition) -> bool:
        return condition.client == "library" and not condition.one_way_delay_ms

    made = []
    for number in range(count):

        def change(condition: Condition, result: Result, number: int = number) -> None:
            result["delay_ms"] = [2.0 + step_ms * number for _ in result["delay_ms"]]

        its = a_table(change, near)
        made.append([named(frame, f"s{number}") for frame in (its.runs, its.deliveries)])
    return made


def test_between_is_made_of_whole_tables() -> None:
    runs, deliveries = (pd.concat(frames) for frames in zip(*sessions_of(3, 0.2), strict=True))
    found = between(table(runs, deliveries))
    assert found
    assert found.sessions == ["s0", "s1", "s2"]
    # 2.0, 2.2 and 2.4 ms: the median of their pairs is 10 %; all variants alike, and all runs of a session.
    assert found.delay_percent == pytest.approx(10, abs=0.01)
    assert (found.ratio_percent, found.runs_percent) == pytest.approx((0, 0))
    near = found.left_out["mean delay on loopback"]
    assert near.inside == near.of == 3 * 6
    assert found.left_out["mean delay with emulated delay"].of == 0
    assert (found.within.inside, found.within.of) == (0, 6 * 6)
    assert json.loads(json.dumps(found.plain())) == found.plain()


def test_two_sessions_are_too_few() -> None:
    runs, deliveries = (pd.concat(frames) for frames in zip(*sessions_of(2, 0.2), strict=True))
    assert between(table(runs, deliveries)) is None
