"""Runs that tell everybody: real ones with few readers in several processes, and what is made of them."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from experiments.design import Condition, Run
from experiments.run import broadcast, readers, recording
from experiments.run.broadcast import (
    BROADCASTS,
    JUDGED_MS,
    STEPS,
    Moment,
    Step,
    at_step,
    numbers,
    saturation,
)
from experiments.run.counting import Tally
from experiments.run.measure import measure
from experiments.run.observe import PROCESSES, Others
from experiments.run.publisher import Publication
from experiments.run.serving import Failed
from experiments.run.suspect import READERS_BUSY, SATURATED, STARVED
from experiments.run.usage import Usage
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
def test_everybody_is_told_everything_and_that_is_counted(
    variant: str, fan_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "STARVED", math.inf)  # other tests may use the machine, too
    monkeypatch.setattr(broadcast, "READERS_BUSY", math.inf)
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
        assert metrics["saturated_share"] >= SATURATED


def a_moment(at_ms: float, readers: tuple[float, float], server_waited_ms: float = 0.0, messages: int = 0) -> Moment:
    """A process of readers has used so much CPU and waited so long, in ms; so has the server."""
    used, waited = (round(1e6 * ms) for ms in readers)
    usage = Usage(round(1e6 * at_ms), used, waited, 7)
    return Moment([Tally(usage, 0, messages)], (round(1e6 * server_waited_ms), 7))


def a_step(after: Moment, took_ms: float) -> tuple[Step, dict[int, list[int]]]:
    """Two broadcasts, each of which takes its last reader half of the time, and that reader's message in the middle."""
    sent = [Publication(f"7f3a90c2-{number}", "", 0, 0, 0) for number in (1, 2)]
    half_ns = round(1e6 * took_ms / 2)
    step = Step(2, a_moment(0.0, (0.0, 0.0)), after, sent, took_ms / 1e3)
    return step, {number: [half_ns // 2, half_ns] for number in (1, 2)}


MOSTLY = STARVED * 100, READERS_BUSY * 100
"""Of 100 ms, at the limits."""


@pytest.mark.parametrize(
    ("readers", "server_waited_ms", "took_ms", "known"),
    [
        ((0.0, MOSTLY[0]), MOSTLY[0], 100.0, {"cpu_ms", "median_ms", "last_ms"}),
        ((0.0, MOSTLY[0] + 0.1), 0.0, 100.0, set()),
        ((0.0, 0.0), MOSTLY[0] + 0.1, 100.0, set()),
        ((MOSTLY[1], 0.0), 0.0, 100.0, {"cpu_ms", "median_ms", "last_ms"}),
        ((MOSTLY[1] + 0.1, 0.0), 0.0, 100.0, {"cpu_ms"}),
        ((9.9, 9.9), 9.9, 2 * JUDGED_MS, {"cpu_ms", "median_ms", "last_ms"}),
    ],
    ids=["at the limit", "readers waited", "server waited", "busy", "too busy", "too short to tell"],
)
def test_a_step_has_the_numbers_that_the_machine_and_the_readers_allow(
    readers: tuple[float, float], server_waited_ms: float, took_ms: float, known: set[str]
) -> None:
    step, arrivals = a_step(a_moment(took_ms, readers, server_waited_ms), took_ms)
    found = at_step(Condition("sse", measures="broadcasts"), step, 12.0, arrivals)
    assert {name for name in ("cpu_ms", "median_ms", "last_ms") if found[name] is not None} == known
    assert found["readers_share"] == pytest.approx(readers[0] / took_ms)
    assert found["starved_share"] == pytest.approx(max(readers[1], server_waited_ms) / took_ms)


@pytest.mark.parametrize(
    ("server_share", "readers", "hz"),
    [
        (SATURATED, (50.0, 0.0), 20_000.0),
        (0.5, (50.0, 0.0), None),
        (0.5, (MOSTLY[1] + 1, 0.0), 20_000.0),  # the readers were the limit: at least so much
        (1.0, (50.0, MOSTLY[0] + 1), None),
    ],
    ids=["server", "nobody", "readers", "starved"],
)
def test_a_server_is_saturated_where_it_or_its_readers_were_the_limit(
    server_share: float, readers: tuple[float, float], hz: float | None
) -> None:
    flood, _ = a_step(a_moment(100.0, readers, messages=2_000), 100.0)
    marks = [recording.Mark(at_ns, cpu_ns, 0, {}) for at_ns, cpu_ns in ((0, 0), (10**8, round(server_share * 10**8)))]
    found = saturation(flood, *marks)
    assert found["saturated_hz"] == (None if hz is None else pytest.approx(hz))
    assert found["saturated_readers_share"] == pytest.approx(readers[0] / 100)


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
