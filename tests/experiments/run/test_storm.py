"""Everybody reconnects: real restarts, with few readers."""

from dataclasses import replace
from typing import Any

import pytest

from experiments.design import Condition, Run
from experiments.run import storm
from experiments.run.measure import measure
from experiments.run.observe import PROCESSES
from experiments.run.storm import peak
from experiments.schedule import PRELOADED
from experiments.variants import Via
from tests.experiments.run.test_broadcast import reading

PROCESSES.set_forkserver_preload(PRELOADED)

READERS = 30


def a_run(transport: str, backoff: bool, **fields: Any) -> Run:
    via: Via = "websocket" if transport == "socket_io" else ""
    condition = Condition(transport, via=via, clients=READERS, client="raw", measures="storm", backoff=backoff)
    return Run(replace(condition, **fields), 0, 1.0, seed=7)


@pytest.mark.parametrize("transport", ["long_poll", "sse", "websocket", "socket_io"])
@pytest.mark.parametrize("backoff", [True, False], ids=["backoff", "at once"])
def test_everybody_is_back_after_a_real_restart(transport: str, backoff: bool) -> None:
    run = a_run(transport, backoff)
    with reading(run, 2) as others:
        result = measure(run, others=others)
    metrics = result["metrics"]
    assert (metrics["deliveries"], metrics["missing"], metrics["duplicates"]) == (READERS, 0, 0)
    assert metrics["storm_readers"] == READERS
    assert metrics["storm_listens_ms"] > 1_000 * storm.DOWN_S
    assert metrics["storm_listens_ms"] < metrics["storm_median_ms"] <= metrics["storm_last_ms"]
    attempts = READERS + metrics["storm_refused"] + metrics["storm_failed"]
    assert metrics["storm_attempts"] == attempts
    assert 0 < metrics["storm_took_median_ms"] <= metrics["storm_took_last_ms"]
    for name in ("starved_share", "readers_busy_share"):  # by which the run is judged
        assert metrics[name] >= 0
    if backoff:  # the first attempts come before there is a server: each within 0.2 s
        assert metrics["storm_refused"] >= READERS


def test_who_does_not_come_back_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm, "BACK_S", 0.0)
    run = a_run("websocket", backoff=True)
    result = measure(run)
    missing = result["metrics"]["missing"]
    assert missing == READERS - result["metrics"]["deliveries"] > 0
    assert result["metrics"]["storm_last_ms"] is None
    assert f"{missing} messages did not arrive" in result["suspect"]


def test_the_peak_is_the_busiest_moment() -> None:
    assert peak([]) is peak([(0, 0)]) is None
    assert peak([(0, 0), (100, 20), (200, 110), (300, 130)]) == pytest.approx(0.9)
