"""What readers cost the server: real runs whose readers only count, small ones, and what is made of them."""

from dataclasses import replace
from typing import Any

import pytest

from app.engine_io import SESSIONS_MAX
from app.server import CONNECTIONS_MAX
from experiments.design import Condition, Run
from experiments.run import weigh
from experiments.run.counting import MARKER, Counter, CountingCrowd
from experiments.run.evaluate import DELIVERY_COLUMNS
from experiments.run.measure import measure
from experiments.run.observe import PROCESSES
from experiments.run.weigh import FILES_BESIDE, sizes
from experiments.schedule import PRELOADED
from experiments.variants import VARIANTS

PROCESSES.set_forkserver_preload(PRELOADED)

READERS, RATE_HZ, WINDOW_S = 4, 30.0, 0.5


def a_condition(variant: str, **fields: Any) -> Condition:
    kind = VARIANTS[variant]
    pause_s = 0.05 if kind.pauses else 0.0
    return Condition(kind.transport, via=kind.via, client="raw", **({"pause_s": pause_s, "clients": READERS} | fields))


def measured(condition: Condition) -> dict[str, Any]:
    result = measure(Run(condition, 0, WINDOW_S, seed=7))
    assert result["deliveries"] == {name: [] for name in DELIVERY_COLUMNS}
    metrics: dict[str, Any] = result["metrics"]
    return metrics


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_reader_counts_what_it_is_sent(variant: str) -> None:
    metrics = measured(a_condition(variant, rate_hz=RATE_HZ, measures="cpu"))
    # How many are due in the window is chance; the lead-in is as long.
    assert metrics["published"] > 0
    assert metrics["messages"] == pytest.approx(metrics["published"] * READERS, abs=4 * READERS)
    assert (metrics["clients_lost"], metrics["missing"]) == (0, 0)
    assert 0 < metrics["server_cpu_ms"] < 2_000 * WINDOW_S
    assert 0 < metrics["readers_cpu_share"] < 1
    if VARIANTS[variant].pauses:
        assert 0.3 * READERS * WINDOW_S / 0.05 < metrics["requests"] <= 1.3 * READERS * WINDOW_S / 0.05
    elif VARIANTS[variant].polls:
        assert 0 < metrics["requests"] <= metrics["messages"] + READERS
    else:
        assert metrics["requests"] == 0


def test_publishing_alone_has_readers_of_nothing() -> None:
    metrics = measured(a_condition("websocket", rate_hz=RATE_HZ, measures="cpu", clients=0))
    assert metrics["messages"] == metrics["requests"] == 0
    assert metrics["published"] > 0 < metrics["server_cpu_ms"]
    assert metrics["readers_cpu_share"] is None


def test_without_the_tap_the_same_is_measured() -> None:
    metrics = measured(a_condition("long_poll", rate_hz=RATE_HZ, measures="cpu", tap=False))
    assert metrics["messages"] > 0
    assert metrics["connections"] == 0  # nobody sees them


@pytest.mark.parametrize("variant", ["short_poll", "long_poll", "sse", "socket_io upgrade"])
def test_memory_is_looked_at_while_readers_become_more(variant: str) -> None:
    metrics = measured(a_condition(variant, rate_hz=0.0, measures="memory", clients=30))
    assert [metrics[f"step_{number}_readers"] for number in (1, 2, 3, 4)] == [2, 8, 16, 30]
    memory = [metrics[f"step_{number}_rss_bytes"] for number in (1, 2, 3, 4)]
    assert memory == sorted(memory)
    assert 5e6 < memory[0] < memory[-1] < 5e8
    assert metrics["connections"] == 30 * VARIANTS[variant].connections_most
    assert (metrics["clients_lost"], metrics["server_rss_bytes"]) == (0, memory[-1])


def test_readers_are_as_many_as_the_server_takes() -> None:
    for variant in VARIANTS.values():
        assert variant.sessions_most == (SESSIONS_MAX if variant.via else 1_000_000)
        most = sizes(a_condition(variant.name, clients=100_000), 1_000_000)[-1]
        assert 600 <= most <= min(variant.sessions_most, CONNECTIONS_MAX // variant.connections_most)


def test_where_too_few_files_may_be_open_there_are_fewer_readers_and_the_run_is_suspect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weigh, "open_files_most", lambda: FILES_BESIDE + 12)
    run = Run(a_condition("sse", rate_hz=0.0, measures="memory", clients=30), 0, WINDOW_S, seed=7)
    result = measure(run)
    assert result["metrics"]["step_4_readers"] == 12
    assert result["suspect"] == ["only 12 of 30 readers: this system allows too few open files (`ulimit -n`)"]


def test_a_marker_that_comes_in_two_pieces_is_counted_once() -> None:
    for cut in range(len(MARKER) + 1):
        crowd = CountingCrowd(a_condition("sse"), "http://localhost:1", "0")
        counter = Counter(crowd)
        counter.data_received(b"{" + MARKER[:cut])
        counter.data_received(MARKER[cut:] + b":" + MARKER)
        assert crowd.counts.messages == 2


def test_a_reader_that_is_refused_fails_the_run() -> None:
    run = Run(replace(a_condition("websocket", rate_hz=RATE_HZ, measures="cpu"), upgrades="refuse"), 0, WINDOW_S, 7)
    with pytest.raises(Exception, match="failed: ValueError: 400"):
        measure(run)
