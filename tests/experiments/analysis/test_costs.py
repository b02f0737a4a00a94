"""What a reader and a response cost the server, on runs that are made up so that the answer is known."""

import math

import pytest

from experiments.analysis import costs
from experiments.analysis.tables import Table, of
from experiments.design import Condition
from experiments.questions import connections, rate
from tests.inventing import Result, a_table

TRUE_MS = {"short_poll": 0.4, "sse": 0.1, "websocket": 0.2}


def costly(condition: Condition, result: Result) -> None:
    """CPU as TRUE_MS says, and otherwise as it is."""
    metrics = result["metrics"]
    if condition.variant in TRUE_MS and condition.clients:
        events = metrics["requests" if condition.polls else "messages"] * (condition.clients + 1) / condition.clients
        metrics["server_cpu_ms"] = 10 * (10 + 0.3 * condition.rate_hz) + TRUE_MS[condition.variant] * events


def made(gone: str = "") -> Table:
    def change(condition: Condition, result: Result) -> None:
        costly(condition, result)
        if condition.variant == gone:
            result["suspect"] = ["the publisher was late"]

    every = {*rate.CONDITIONS, *connections.CONDITIONS}
    return a_table(change, lambda condition: condition in every)


def test_least_squares_find_what_was_put_in() -> None:
    found = costs.cpu(of(rate.CONDITIONS, made().runs)).set_index("variant")
    for variant, ms in TRUE_MS.items():
        assert found.ms[variant] == pytest.approx(ms, abs=0.001)
        assert found.half_ms[variant] < 0.01


def test_a_variant_whose_runs_are_all_suspect_costs_nobody_knows_what() -> None:
    found = costs.cpu(of(rate.CONDITIONS, made(gone="websocket").runs)).set_index("variant")
    assert math.isnan(found.ms["websocket"])
    assert math.isnan(found.half_ms["websocket"])
    assert found.ms["sse"] == pytest.approx(TRUE_MS["sse"], abs=0.001)


def test_too_few_runs_say_nothing() -> None:
    assert costs.cpu(made().runs.iloc[:3]).ms.isna().all()


def test_memory_is_the_difference_by_the_readers_more() -> None:
    table = made()
    summary, runs = (of(connections.CONDITIONS, frame) for frame in (table.summary, table.runs))
    each = costs.memory_kb(summary, connections.FEW, connections.MANY)
    assert each["sse"] == pytest.approx(40.0)
    assert each["socket_io polling"] == pytest.approx(80.0)
    assert (costs.memory_spread_kb(runs, connections.FEW, connections.MANY) == 0).all()
