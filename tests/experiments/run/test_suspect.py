"""What makes a run suspect: each limit, on both of its sides."""

import math

import pytest

from experiments.run.suspect import reasons

FINE: dict[str, float | None] = {
    "achieved_share": 1.0,
    "starved_share": 0.05,
    "readers_busy_share": 0.7,
    "way_in_mean_ms": 1.0,
    "clients_lost": 0,
    "missing": 0,
    "duplicates": 0,
    "unfinished_bytes": 0,
    "publisher_late_p99_ms": 0.3,
    "mark_late_ms": 1.0,
    "readers_cpu_share": 0.1,
    "readers_wait_ms": 0.1,
    "server_wait_ms": 0.1,
    "from_wire_median_ms": 1.5,
    "probe_median_ms": 0.3,
}
LIMITS = {
    "achieved_share": (0.98, "only 0.980 of the messages were published in time"),
    "publisher_late_p99_ms": (10.0, "the publisher was 10.0 ms late (p99)"),
    "mark_late_ms": (50.0, "the server noted its state 50 ms late"),
    "readers_cpu_share": (0.6, "the readers used 0.60 of a core"),
    "readers_wait_ms": (2.0, "the readers waited 2.0 ms for a CPU each time"),
    "server_wait_ms": (2.0, "the server waited 2.0 ms for a CPU each time"),
    "starved_share": (0.2, "the server or its readers waited for a CPU for 0.20 of the time"),
    "readers_busy_share": (0.9, "the readers used 0.90 of a core while they reconnected"),
    "way_in_mean_ms": (5.0, "a message took 5.0 ms on average to get into the log"),
    "clients_lost": (0, "1 readers lost their connection"),
    "missing": (0, "1 messages did not arrive"),
    "duplicates": (0, "1 messages arrived more than once"),
    "unfinished_bytes": (0, "1 bytes were cut off in the middle of something"),
}


def test_a_run_within_all_limits_is_not_suspect() -> None:
    assert reasons(FINE) == []
    assert reasons(dict.fromkeys(FINE)) == []


@pytest.mark.parametrize("name", LIMITS)
def test_a_run_over_a_limit_is_suspect(name: str) -> None:
    limit, why = LIMITS[name]
    beyond = limit + 1 if limit == 0 else math.nextafter(limit, 0.0 if name == "achieved_share" else 1e9)
    assert reasons({**FINE, name: limit}) == []
    assert reasons({**FINE, name: beyond}) == [why]


@pytest.mark.parametrize(
    ("ours", "probes"), [(1.9, 0.1), (2.4, 0.5), (30.0, 25.0), (37.5, 25.0), (None, 25.0), (30.0, None)]
)
def test_readers_about_as_fast_as_the_probe_are_not_suspect(ours: float | None, probes: float | None) -> None:
    assert reasons({**FINE, "from_wire_median_ms": ours, "probe_median_ms": probes}) == []


@pytest.mark.parametrize(("ours", "probes"), [(2.6, 0.5), (37.6, 25.0)])
def test_readers_much_slower_than_the_probe_are_suspect(ours: float, probes: float) -> None:
    why = f"the readers' median from the wire is {ours:.1f} ms, the probe's {probes:.1f} ms"
    assert reasons({**FINE, "from_wire_median_ms": ours, "probe_median_ms": probes}) == [why]


def test_that_nothing_arrives_where_nothing_can_is_not_suspicious() -> None:
    assert reasons({**FINE, "missing": 1, "clients_lost": 1}, undeliverable=True) == []
    assert len(reasons({**FINE, **dict.fromkeys(LIMITS, 1000.0)}, undeliverable=True)) == len(LIMITS) - 3


def test_every_reason_is_told() -> None:
    worst = {"achieved_share": 0.5, **dict.fromkeys([*LIMITS][1:], 1000.0), "from_wire_median_ms": 99.0}
    assert len(reasons({**FINE, **worst})) == len(LIMITS) + 1
