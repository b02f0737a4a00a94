"""Runs that tell everybody: real ones with few readers in several processes, and what is made of them."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from experiments.design import Condition, Run
from experiments.run import broadcast, readers
from experiments.run.broadcast import BROADCASTS, STEPS, numbers
from experiments.run.measure import measure
from experiments.run.observe import PROCESSES, Others
from experiments.run.serving import Failed
from experiments.schedule import PRELOADED
from experiments.variants import VARIANTS

PROCESSES.set_forkserver_preload(PRELOADED)

READERS = 30
TELLING = ["short_poll", "long_poll", "sse", "websocket", "socket_io websocket"]


def a_run(variant: str, **fields: Any) -> Run:
    kind = VARIANTS[variant]
    pause_s = 0.1 if kind.pauses else 0.0
    fields = {"clients": READERS, "client": "raw", "measures": "broadcasts", "pause_s": pause_s, **fields}
    return Run(Condition(kind.transport, via=kind.via, **fields), 0, 1.0, seed=7)


@contextlib.contextmanager
def reading(run: Run, count: int) -> Iterator[Others]:
    """So many processes of readers, which have ended when the block has."""
    pipes, processes = [], []
    for _ in range(count):
        here, there = PROCESSES.Pipe()
        process = PROCESSES.Process(target=readers.main, args=(run, there))
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    try:
        yield Others(readers=tuple(pipes))
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(20)
            assert process.exitcode == 0


@pytest.mark.parametrize("fan_out", ["hub", "tasks"])
@pytest.mark.parametrize("variant", TELLING)
def test_everybody_is_told_everything_and_that_is_counted(variant: str, fan_out: str) -> None:
    run = a_run(variant, fan_out=fan_out)
    with reading(run, 3) as others:
        result = measure(run, others=others)
    metrics = result["metrics"]
    times = 1 if VARIANTS[variant].pauses else BROADCASTS
    steps = numbers(READERS)
    assert len(steps) == len(STEPS) + 1
    assert [metrics[f"step_{place}_readers"] for place in range(1, 6)] == steps
    assert (metrics["published"], metrics["deliveries"]) == (times * len(steps), times * sum(steps))
    wrong = ("missing", "duplicates", "reordered", "missed_notices", "clients_lost", "uncounted_bytes")
    assert {name: metrics[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert metrics["connections"] == READERS
    for place, count in enumerate(steps, 1):
        its = {name: metrics[f"step_{place}_{name}"] for name in ("events", "cpu_ms", "median_ms", "last_ms")}
        assert its["cpu_ms"] > 0
        assert 0 < its["median_ms"] <= its["last_ms"]
        if VARIANTS[variant].pauses:
            assert its["events"] > 0
        else:
            assert its["events"] == times * count  # a response each, or a push
    memory = [metrics[f"step_{place}_rss_bytes"] for place in range(1, 6)]
    assert memory == sorted(memory)
    if metrics.get("saturated_hz") is not None:
        assert metrics["saturated_hz"] > 10 * READERS


def test_of_a_sample_there_is_a_row_for_every_broadcast_while_it_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "SAMPLED", 8)
    run = a_run("websocket")
    with reading(run, 2) as others:
        result = measure(run, others=others)
    rows = list(zip(*result["deliveries"].values(), strict=True))
    sampled = {row[0] for row in rows}
    assert 0 < len(sampled) < READERS
    assert len({(client, number) for client, number, *_ in rows}) == len(rows)
    assert len(rows) == BROADCASTS * sum(client < count for client in sampled for count in numbers(READERS))
    for _, _, due_ms, sent_ms, published_ms, written_ms, received_ms in rows:
        assert due_ms <= sent_ms <= published_ms
        assert sent_ms < written_ms < received_ms
    # A frame's header and the message, which the ledger has found in the sample's bytes.
    assert 150 < result["metrics"]["bytes_per_delivery"] < 250


def test_a_message_that_does_not_reach_everybody_in_time_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "ALL_HAVE_S", 0.0)
    result = measure(a_run("sse"))
    assert result["suspect"] == [
        "after 0 s, a message had not reached everybody; 0 of 5 numbers of readers are measured"
    ]
    assert (result["metrics"]["published"], result["metrics"]["connections"]) == (0, 1)


def test_where_nobody_can_be_told_the_run_fails() -> None:
    run = a_run("websocket")
    with pytest.raises(Failed, match=r"failed: .*400"):
        measure(Run(replace(run.condition, upgrades="refuse"), 0, 1.0, 7))
