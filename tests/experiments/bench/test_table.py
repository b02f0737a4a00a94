"""Ratios, aims and tables, from rounds that are made up."""

import math
from typing import Any

import pytest

from experiments.bench import table
from experiments.bench.aims import AIMS, Aim
from experiments.bench.table import (
    Results,
    aims,
    costs,
    differences,
    held,
    limited_by_readers,
    markdown,
    misses,
    polls,
    towards,
)

CPU = Aim("CPU", "fan_out", "websocket", "cpu_us_1000_1", "ws", 0.8, "µs")
LAST = Aim("last", "fan_out", "websocket", "last_ms_1000_1", "ws", 1.0, "ms")
MEMORY = Aim("memory", "memory", "sse", "reader_kib", None, 12, "KiB")


def a_round(**metrics: tuple[float, float]) -> dict[str, dict[str, float]]:
    """Metrics of the hub and of ws, over WebSocket."""
    servers = {"hub": 0, "ws": 1}
    return {f"fan_out websocket {name}": {m: both[i] for m, both in metrics.items()} for name, i in servers.items()}


def a_bench(*rounds: Results, **more: Any) -> dict[str, Any]:
    packages = dict.fromkeys(("uvicorn", "uvloop", "starlette", "websockets"), "1.2")
    machine = {"processor": "A CPU", "cores": 2, "system": "Linux 6", "python": "3.11.7", "packages": packages}
    stored = [{"results": results, "failed": {}} for results in rounds]
    return {"machine": machine, "versions": {"ws": "8.23.0"}, "missing": {}, "rounds": stored, **more}


def row(of: str, beginning: str) -> list[str]:
    """The cells of the only row that begins so."""
    (found,) = (line for line in of.splitlines() if line.startswith(f"| {beginning} "))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_ratio_is_taken_within_each_round() -> None:
    # The machine was twice as slow in the second round: that is no spread of the ratio.
    rounds = [
        a_round(cpu_us_1000_1=(6.0, 10.0)),
        a_round(cpu_us_1000_1=(12.0, 20.0)),
        a_round(cpu_us_1000_1=(9.0, 10.0)),
    ]
    assert (ratio := towards(CPU, rounds)) is not None
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((0.6, 0.6, 0.9))


def test_without_a_peer_the_value_itself_counts() -> None:
    rounds = [{"memory sse hub": {"reader_kib": kib}} for kib in (11.0, 12.5, 13.0)]
    assert (value := towards(MEMORY, rounds)) is not None
    assert (value.median, value.low, value.high) == (12.5, 11.0, 13.0)


def test_rounds_that_have_only_one_of_both_are_not_used() -> None:
    half = a_round(cpu_us_1000_1=(1.0, 1.0))
    del half["fan_out websocket ws"]
    assert towards(CPU, [half]) is None
    assert (ratio := towards(CPU, [half, a_round(cpu_us_1000_1=(7.0, 10.0))])) is not None
    assert ratio.median == pytest.approx(0.7)


@pytest.mark.parametrize("busy", [(0.95, 0.2), (0.2, 0.95)])
def test_rounds_in_which_the_readers_were_the_limit_are_not_used(busy: tuple[float, float]) -> None:
    limited = a_round(last_ms_1000_1=(9.0, 10.0), readers_share_1000_1=busy)
    assert towards(LAST, [limited]) is None
    free = a_round(last_ms_1000_1=(5.0, 10.0), readers_share_1000_1=(0.5, 0.4))
    assert (ratio := towards(LAST, [limited, free])) is not None
    assert ratio.median == pytest.approx(0.5)


def test_only_times_and_rates_are_limited_by_readers() -> None:
    busy = {"readers_share_1000_1": 0.99, "saturated_readers_share": 0.99}
    assert limited_by_readers(busy, "last_ms_1000_1") and limited_by_readers(busy, "saturated_hz")
    assert not limited_by_readers(busy, "cpu_us_1000_1")
    assert not limited_by_readers({}, "last_ms_1000_1")


@pytest.mark.parametrize(("mine", "met"), [(7.9, "yes"), (8.0, "yes"), (8.1, "no")])
def test_whether_an_aim_is_met_is_computed(mine: float, met: str) -> None:
    cells = row(aims([a_round(cpu_us_1000_1=(mine, 10.0))] * 2), "WebSocket: CPU per delivery")
    assert cells[1:] == [f"{mine} µs", "Node ws: 10 µs", f"**{mine / 10:.2f}**", "≤ 0.8", met]


@pytest.mark.parametrize(
    ("mine", "met"),
    [
        ((3.0, 8.0, 20.0), "open"),
        ((7.9, 8.1), "open"),
        ((3.0,), "open"),
        ((9.0,), "open"),
        ((3.0, 5.0, 8.0), "yes"),
        ((8.1, 20.0), "no"),
    ],
)
def test_an_aim_is_open_if_rounds_disagree_or_there_is_just_one(mine: tuple[float, ...], met: str) -> None:
    assert row(aims([a_round(cpu_us_1000_1=(it, 10.0)) for it in mine]), "WebSocket: CPU per delivery")[-1] == met


@pytest.mark.parametrize("both", [(-0.6, 10.0), (0.0, 10.0), (7.0, -0.1), (7.0, 0.0)])
def test_what_costs_nothing_was_not_measured_and_has_no_row(both: tuple[float, float]) -> None:
    rounds = [a_round(cpu_us_1000_1=both)] * 2
    assert towards(CPU, rounds) is None
    assert len(aims(rounds).splitlines()) == 2


def test_every_aim_that_was_measured_has_a_row_and_no_other() -> None:
    assert len(aims([]).splitlines()) == 2
    measured: dict[str, dict[str, float]] = {}
    for aim in AIMS:
        for name in filter(None, (aim.name, aim.peer_name)):
            measured.setdefault(name, {})[aim.metric] = 1.0
    whole = [measured | {"holding websocket hub": {"held": 9, "descriptors": 1_000}}]
    assert len(aims(whole).splitlines()) == 2 + len(AIMS) + 1 <= 2 + 15


def test_an_aim_without_a_ratio_keeps_its_row_and_says_why() -> None:
    limited = a_round(last_ms_1000_1=(9.0, 10.0), readers_share_1000_1=(0.2, 0.95))
    cells = row(aims([limited] * 2), "WebSocket: time until the last reader has a message")
    assert cells[3:] == ["readers were the limit", "≤ 1", "open"]


def test_a_missed_aim_says_by_how_much_and_what_its_floor_takes() -> None:
    memory = {"memory sse hub": {"reader_kib": 15.0}, "memory sse uvicorn": {"reader_kib": 9.3}}
    assert list(misses([memory])) == []  # one round decides nothing
    assert list(misses([memory] * 2)) == [
        "SSE: memory per idle reader: 15 KiB instead of 12 KiB, 25% more than the aim. uvicorn alone is at 9.3 KiB."
    ]
    push = {f"push sse {name}": {"push_us": us} for name, us in (("hub", 130.0), ("raw", 100.0), ("uvicorn", 120.0))}
    assert list(misses([push] * 2)) == [
        "SSE: delay of a push to a single reader: 1.3 instead of 1.15, 13% more than the aim. uvicorn alone is at 1.2."
    ]
    assert list(misses([a_round(cpu_us_1000_1=(10.0, 10.0))] * 2)) == [
        "WebSocket: CPU per delivery: 1 instead of 0.8, 25% more than the aim."
    ]


def test_both_ways_of_responding_to_polls_are_shown_with_what_a_first_poll_costs() -> None:
    cost = {"poll_us": 8.0, "visit_us": 160.0}
    lines = polls([{"polling short_poll hub": cost, "polling short_poll tasks": {"poll_us": 35.0, "visit_us": 150.0}}])
    assert row(lines, "Short polling: **this server**")[1:] == ["8.0", "160"]
    assert row(lines, "Short polling: **this server, tasks**")[1:] == ["35", "150"]
    assert len(lines.splitlines()) == 4


def test_a_spread_is_shown_where_there_are_several_rounds() -> None:
    rounds = [a_round(cpu_us_1000_1=(mine, 10.0)) for mine in (5.0, 6.0, 9.0)]
    cells = row(aims(rounds), "WebSocket: CPU per delivery")
    assert cells[1] == "6.0 µs (5.0 to 9.0)"
    assert cells[3] == "**0.60** (0.50 to 0.90)"


@pytest.mark.parametrize(
    ("found", "descriptors", "met"), [(20_000, 65_536, "yes"), (19_999, 65_536, "no"), (19_808, 20_000, "yes")]
)
def test_readers_held_are_compared_with_what_descriptors_allow(found: int, descriptors: int, met: str) -> None:
    (line,) = held([{"holding websocket hub": {"held": found, "descriptors": descriptors}}, {}])
    assert f"| {found:,} |" in line and f" of {descriptors:,} |" in line
    assert line.endswith(f"| {met} |")
    assert list(held([{}])) == []


def test_a_row_shows_what_was_measured_of_a_server() -> None:
    cpu = {"cpu_us_100_1": 11.9, "cpu_us_100_10": 4.52, "cpu_us_1000_1": 7.62, "cpu_us_1000_10": 0.34}
    more = {"last_ms_1000_1": 8.04, "saturated_hz": 181_234.0, "saturated_readers_share": 0.5, "saturated_share": 0.98}
    one = {"fan_out websocket ws": {**cpu, **more}, "push websocket ws": {"push_us": 71.2}}
    lines = costs([one])
    assert row(lines, "WebSocket: Node ws")[1:] == ["71", "12 (4.5)", "7.6 (0.34)", "8.0", "180,000", ""]
    assert len(lines.splitlines()) == 3  # nothing was measured of the others
    head, ruler, _ = lines.splitlines()
    assert head.count("|") == ruler.count("|")
    waiting = {"fan_out websocket ws": {**cpu, **more, "saturated_share": 0.8}}
    for rounds in ([waiting], [waiting, {}, {}]):  # later rounds may not have it
        assert row(costs(rounds), "WebSocket: Node ws")[5] == "≥ 180,000"
    limited = {"fan_out websocket ws": {**cpu, **more, "saturated_readers_share": 0.97, "readers_share_1000_1": 0.97}}
    assert row(costs([limited]), "WebSocket: Node ws")[4:6] == ["≤ 8.0", "≥ 180,000"]


def test_a_missing_peer_and_a_failure_are_named_with_their_reason() -> None:
    bench = a_bench(a_round(cpu_us_1000_1=(7.0, 10.0)), missing={"picows": "it has no wheel for this system"})
    bench["rounds"][0]["failed"] = {"memory sse hub": "it has ended with 1"}
    text = markdown(bench)
    assert "- picows was not measured: it has no wheel for this system\n" in text
    assert "- round 1: memory sse hub failed: it has ended with 1\n" in text


def test_differences_between_rounds_are_shares_of_the_median() -> None:
    rounds = [a_round(cpu_us_1000_1=(mine, 10.0)) for mine in (8.0, 10.0, 12.0)]
    assert sorted(differences(rounds)) == pytest.approx([0.0, 0.4])


def test_rounds_may_have_failed_entirely() -> None:
    rounds = [a_round(cpu_us_1000_1=(mine, 10.0)) for mine in (8.0, 12.0)]
    assert sorted(differences([{}, *rounds])) == pytest.approx([0.0, 0.4])
    assert "The range over rounds is 20%" in markdown(a_bench({}, *rounds))
    for few in (a_bench({}, {}), a_bench({}, rounds[0])):
        assert "The range over rounds" not in markdown(few)


def test_nothing_is_nan_with_a_single_round() -> None:
    text = markdown(a_bench(a_round(cpu_us_1000_1=(7.0, 10.0), load_1000_1=(0.4, 0.4), readers_us_1000_1=(3.0, 3.0))))
    assert "nan" not in text and str(math.inf) not in text
    assert "in one round" in text


def test_the_titles_are_those_of_the_transports() -> None:
    assert set(table.TITLES) >= {aim.transport for aim in AIMS if aim.measure != "polling"}
