"""Points and slopes of crowds: what was put in comes out, and what the readers limited is left out."""

import math
import random
from typing import Any

import pandas as pd
import pytest

from experiments.analysis import costs, crowds
from experiments.analysis.tables import deliveries_frame, summarise
from experiments.analysis.theory import Broadcast
from experiments.design import Condition
from tests.inventing import Result, a_table, everything, runs_of

READERS = 2_000
PUSHED = [
    Condition("sse", measures="broadcasts", clients=READERS, client="raw", fan_out=how) for how in ("hub", "tasks")
]
POLLED = Condition("long_poll", measures="broadcasts", clients=READERS, client="raw")


def told(us: dict[str, float], start_ms: float = 0.8, noise: float = 0.0, seed: int = 1, **more: Any) -> Any:
    """Runs in which each delivery costs so much, by fan-out, give or take a share of it."""
    rng = random.Random(seed)

    def change(condition: Condition, result: Result) -> None:
        metrics = result["metrics"]
        for place in range(1, 6):
            events = metrics[f"step_{place}_events"] / 6
            cpu_ms = start_ms + us[condition.fan_out] * events / 1_000
            metrics[f"step_{place}_cpu_ms"] = 6 * cpu_ms * (1 + rng.uniform(-noise, noise))
            metrics[f"step_{place}_rss_bytes"] = 50_000_000 + 12_500 * metrics[f"step_{place}_readers"]
        metrics |= more

    return change


def found(frame: pd.DataFrame) -> dict[tuple[str, str], Any]:
    return {(row["variant"], row["fan_out"]): row for row in crowds.deliveries(frame).to_dict("records")}


def test_the_slope_is_what_a_delivery_costs_and_the_rest_what_a_broadcast_does() -> None:
    runs = runs_of([*PUSHED, POLLED], told({"hub": 9.0, "tasks": 42.0}))
    its = found(runs)
    assert its.keys() == {("sse", "hub"), ("sse", "tasks"), ("long_poll", "hub")}
    for (_, fan_out), row in its.items():
        assert row["us"] == pytest.approx({"hub": 9.0, "tasks": 42.0}[fan_out])
        assert row["start_ms"] == pytest.approx(0.8)
        assert row["half_us"] == pytest.approx(0, abs=1e-6)
    memory = crowds.memory(runs)
    assert [round(kb, 6) for kb in memory.kb] == [12.5] * 3


def test_runs_and_their_summary_say_the_same() -> None:
    runs = runs_of(PUSHED, told({"hub": 9.0, "tasks": 42.0}))
    summary = summarise(runs, deliveries_frame([]))
    for key, row in found(summary).items():
        assert row["us"] == pytest.approx(found(runs)[key]["us"])


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(100):
        row = found(runs_of(PUSHED[:1], told({"hub": 9.0}, noise=0.1, seed=seed)))["sse", "hub"]
        inside += abs(row["us"] - 9.0) <= row["half_us"]
    assert 88 <= inside <= 100


@pytest.mark.parametrize(
    ("kind", "gone", "kept"),
    [
        ("limited", ["median_ms", "last_ms"], ["cpu_ms", "delivery_us"]),
        ("starved", ["median_ms", "last_ms", "cpu_ms", "delivery_us"], []),
    ],
)
def test_a_point_that_readers_or_machine_limited_is_marked(kind: str, gone: list[str], kept: list[str]) -> None:
    lacks: Any = {f"step_5_{name}": None for name in gone if name != "delivery_us"}
    runs = runs_of(PUSHED, told({"hub": 9.0, "tasks": 42.0}, **lacks, step_5_readers_share=0.95))
    points = crowds.points(runs)
    marked = points[points[kind]]
    assert set(marked.readers) == {READERS}
    assert len(marked) == len(runs) == (points.limited | points.starved).sum()
    assert marked.readers_share.eq(0.95).all()
    assert marked[gone].isna().all(axis=None) and marked[kept].notna().all(axis=None)
    assert found(runs)["sse", "tasks"]["us"] == pytest.approx(42.0)


def test_suspect_runs_are_not_used_and_two_points_are_too_few() -> None:
    def suspect(condition: Condition, result: Result) -> None:
        told({"hub": 9.0, "tasks": 42.0})(condition, result)
        result["suspect"] = ["made up"] * (condition.fan_out == "hub")
        if condition.fan_out == "tasks":
            result["metrics"] |= {f"step_{place}_cpu_ms": None for place in (1, 2, 3, 4)}

    runs = runs_of(PUSHED, suspect)
    assert found(runs[runs.repeat == 0]).keys() == {("sse", "tasks")}
    row = found(runs[runs.repeat == 0])["sse", "tasks"]
    assert math.isnan(row["us"]) and math.isnan(row["half_us"])


def test_of_several_sessions_the_interval_is_for_another_one() -> None:
    parts = [
        runs_of(PUSHED, told({"hub": us, "tasks": 42.0})).assign(session=str(place))
        for place, us in enumerate((8.0, 9.0, 10.0))
    ]
    row = found(pd.concat(parts, ignore_index=True))["sse", "hub"]
    assert row["us"] == pytest.approx(9.0)
    assert 2.0 < row["half_us"] < 10.0


def test_a_comparison_has_crowds_of_one_size() -> None:
    table = a_table(there=lambda condition: condition.crowd)
    assert set(crowds.largest(table.summary).clients) == {10_000}
    assert len(crowds.largest(table.summary)) < len(table.summary)


def test_other_questions_do_not_see_crowds() -> None:
    whole, without = everything(), a_table(there=lambda condition: not condition.crowd)
    for cost in (costs.load, costs.memory):
        pd.testing.assert_frame_equal(cost(whole.runs), cost(without.runs))


def test_the_formula_is_a_line() -> None:
    model = Broadcast(0.8, 0.009)
    assert [model.cpu_ms(readers) for readers in (0, 1_000)] == pytest.approx([0.8, 9.8])
    assert model.last_ms(1_000) == model.cpu_ms(1_000)
