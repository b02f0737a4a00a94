"""What a reader and a response cost the server, on runs that are made up so that the answer is known."""

import math
import random
from dataclasses import replace
from types import ModuleType

import pandas as pd
import pytest

from experiments.analysis import costs
from experiments.analysis.statistics import another_session
from experiments.analysis.tables import Table, of
from experiments.design import Condition
from experiments.questions import connections, load
from experiments.variants import VARIANTS
from tests.inventing import BUSY_MS, READER_BYTES, TAP_BYTES, TAP_MS, TASK_MS, Change, Result, a_table, runs_of


def nothing(condition: Condition, result: Result) -> None:
    """All is as one would expect."""


def weighing(change: Change = nothing) -> Table:
    every = {*load.CONDITIONS, *connections.CONDITIONS}
    return a_table(change, lambda condition: condition in every)


@pytest.mark.parametrize("whole", [True, False], ids=["runs", "summary"])
def test_the_slope_at_load_is_what_was_put_in_and_the_tap_is_told_apart(whole: bool) -> None:
    table = weighing()
    frame = of(load.CONDITIONS, table.runs if whole else table.summary)
    found = costs.load(frame).set_index("variant")
    for variant in load.MEASURED:
        assert found.ms[variant.name] == pytest.approx(BUSY_MS[variant.transport], rel=1e-6)
        assert 0 <= found.half_ms[variant.name] < 1e-6
    assert math.isnan(found.ms["socket_io websocket"])
    tasks, without = (costs.load(frame, tap, "tasks").set_index("variant").ms for tap in (True, False))
    assert tasks["websocket"] - found.ms["websocket"] == pytest.approx(TASK_MS, rel=1e-6)
    assert tasks["websocket"] - without["websocket"] == pytest.approx(TAP_MS, rel=1e-6)
    for variant in load.MEASURED:
        assert tasks[variant.name] == pytest.approx(BUSY_MS[variant.transport] + TASK_MS, rel=1e-6)
    assert without.drop("websocket").isna().all()
    assert costs.tap_share(costs.load, frame) == pytest.approx((TAP_MS, 0.0), abs=1e-9)


def test_the_interval_of_a_slope_covers_the_truth_about_as_often_as_it_says() -> None:
    inside, conditions = 0, [its for its in load.CONDITIONS if its.variant == "sse" or not its.clients]
    for seed in range(100):
        rng = random.Random(seed)

        def noisy(_: Condition, result: Result, rng: random.Random = rng) -> None:
            result["metrics"]["server_cpu_ms"] += rng.gauss(0, 20)

        found = costs.load(of(conditions, runs_of(conditions, noisy))).set_index("variant").loc["sse"]
        inside += abs(found.ms - BUSY_MS["sse"]) <= found.half_ms
    assert 88 <= inside <= 100


@pytest.mark.parametrize("whole", [True, False], ids=["runs", "summary"])
def test_memory_is_the_slope_over_the_readers(whole: bool) -> None:
    table = weighing()
    frame = of(connections.CONDITIONS, table.runs if whole else table.summary)
    found = costs.memory(frame).set_index("variant")
    for variant in VARIANTS.values():
        assert found.kb[variant.name] == pytest.approx(READER_BYTES[variant.transport] / 1000)
    assert (found.half_kb < 1e-6).all()
    assert costs.tap_share(costs.memory, frame) == pytest.approx((TAP_BYTES / 1000, 0.0), abs=1e-6)


@pytest.mark.parametrize("question", [load, connections])
def test_the_tap_is_weighed_with_a_task_per_reader_on_both_sides(question: ModuleType) -> None:
    with_tasks = [its for its in question.CONDITIONS if its.variant == "websocket" and its.fan_out == "tasks"]
    on, off = ({replace(its, tap=True) for its in with_tasks if its.tap is tap} for tap in (True, False))
    assert on == off
    assert {its for its in question.CONDITIONS if not its.tap} == {replace(its, tap=False) for its in off}
    assert all(its.tap for its in question.CONDITIONS if not its.weighs_tap)


def test_results_of_before_the_hub_do_not_tell_the_tap_apart_but_all_else() -> None:
    before = [its for its in load.CONDITIONS if its.fan_out == "hub" or not its.tap]
    frame = runs_of(before, nothing)
    for its in (frame, pd.concat(frame.assign(session=name) for name in "ab")):
        assert load.tap_share(its) == "The tap's part of a push, with a task per reader: not measured."
    assert costs.load(frame).set_index("variant").ms["websocket"] == pytest.approx(BUSY_MS["websocket"])


def test_what_only_suspect_runs_have_measured_is_unknown() -> None:
    def suspect(condition: Condition, result: Result) -> None:
        if condition.variant == "sse":
            result["suspect"] = ["the publisher was late"]

    table = weighing(suspect)
    assert math.isnan(costs.load(table.runs).set_index("variant").ms["sse"])
    assert math.isnan(costs.memory(table.runs).set_index("variant").kb["sse"])
    assert costs.load(table.runs).set_index("variant").ms["websocket"] > 0


def test_too_few_runs_say_nothing() -> None:
    assert costs.load(of(load.CONDITIONS, runs_of(load.CONDITIONS, nothing)).iloc[:3]).ms.isna().all()


def test_a_title_made_of_the_summary_and_bars_made_of_the_runs_agree() -> None:
    def noisy(condition: Condition, result: Result) -> None:
        result["metrics"]["server_cpu_ms"] *= 1 + 0.1 * math.sin(hash((condition, result["repeat"])))

    table = weighing(noisy)
    by_runs, by_summary = costs.load(table.runs), costs.load(of(load.CONDITIONS, table.summary))
    assert by_runs.ms.to_list() == pytest.approx(by_summary.ms.to_list(), nan_ok=True)


def test_of_several_sessions_the_mean_and_the_interval_for_another_one() -> None:
    """The truth differs between sessions: 4, 5 and 6 % more CPU for each push over SSE."""
    parts = []
    for number, factor in enumerate((1.04, 1.05, 1.06)):

        def change(condition: Condition, result: Result, factor: float = factor) -> None:
            if condition.variant == "sse":
                result["metrics"]["server_cpu_ms"] += (factor - 1) * BUSY_MS["sse"] * result["metrics"]["messages"]

        parts.append(runs_of(load.CONDITIONS, change).assign(session=f"s{number}"))
    found = costs.load(of(load.CONDITIONS, pd.concat(parts))).set_index("variant")
    low, high = another_session([factor * BUSY_MS["sse"] for factor in (1.04, 1.05, 1.06)])
    assert found.ms["sse"] == pytest.approx(1.05 * BUSY_MS["sse"])
    assert found.half_ms["sse"] == pytest.approx(max(high - found.ms["sse"], found.ms["sse"] - low))
    assert math.isnan(found.ms["socket_io websocket"])
    assert costs.tap_share(costs.load, pd.concat(parts)) == pytest.approx((TAP_MS, 0.0), abs=1e-9)
