"""Real runs of every transport, and what is made of them: numbers, and what is noticed."""

import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from experiments.analysis.ledger import Exchange, Kind, Unbalanced
from experiments.design import Condition, Run
from experiments.run import readers, weigh
from experiments.run.evaluate import evaluate, matched, reordered, whole_periods
from experiments.run.observe import MARK_TIME_NS, PROCESSES, Observed, observe
from experiments.run.recording import Mark
from experiments.run.suspect import reasons
from experiments.run.usage import Usage
from experiments.schedule import PRELOADED
from experiments.variants import VARIANTS

PROCESSES.set_forkserver_preload(PRELOADED)

WINDOW_S, RATE_HZ, CLIENTS = 1.0, 30.0, 2


def a_run(variant: str, client: Literal["library", "raw"] = "raw", **more: Any) -> Run:
    transport, _, via = variant.partition(" ")
    pause_s = 0.1 if transport == "short_poll" else 0.0
    fields = {"pause_s": pause_s, "rate_hz": RATE_HZ, "clients": CLIENTS, "via": via, **more}
    return Run(Condition(transport, client=client, **fields), repeat=0, window_s=WINDOW_S, seed=7)


ALWAYS = {"published", "span_s", "clients_lost", "connections", "server_cpu_ms", "server_cpu_share", "server_rss_bytes"}
"""What every run has, whatever it measures."""

SILENT = [variant for variant in VARIANTS if variant != "socket_io websocket"]
RUNS = {
    **{f"{variant}, {client}": a_run(variant, client) for variant in VARIANTS for client in ("library", "raw")},
    "browser": a_run("short_poll", headers="browser"),
    "distant": a_run("long_poll", one_way_delay_ms=30.0, late_joiners=2),
    "publisher alone": a_run("websocket", clients=0),
    "undeliverable": a_run("websocket", upgrades="refuse", late_joiners=1),
    "fallen back": a_run("socket_io upgrade", upgrades="cut", one_way_delay_ms=30.0, late_joiners=1),
    "upgraded": a_run("socket_io upgrade", one_way_delay_ms=30.0, late_joiners=1),
    **{f"silent {variant}": a_run(variant, rate_hz=0.0) for variant in SILENT},
}
TALKATIVE = [
    name
    for name, run in RUNS.items()
    if run.condition.rate_hz and run.condition.clients and not run.condition.undeliverable
]


@pytest.fixture(scope="module")
def seen() -> dict[str, Observed]:
    """All runs, observed side by side: they are too short to be relied on, but all happens in them."""
    with ThreadPoolExecutor(len(RUNS)) as pool:
        return dict(zip(RUNS, pool.map(observe, RUNS.values()), strict=True))


def evaluated(seen: dict[str, Observed], name: str) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The metrics and the deliveries of a run."""
    result = evaluate(RUNS[name], seen[name])
    assert result["suspect"] == reasons(result["metrics"], RUNS[name].condition.undeliverable)
    return result["metrics"], result["deliveries"]


def total(metrics: dict[str, Any], direction: str) -> int:
    """The bytes of all categories in one direction."""
    inside = [n for n in metrics if n.startswith(f"{direction}_") and n.endswith("_bytes")]
    return sum(metrics[name] for name in inside)


# What is made of a run


@pytest.mark.parametrize("name", TALKATIVE)
def test_everything_is_delivered_exactly_once(seen: dict[str, Observed], name: str) -> None:
    metrics, deliveries = evaluated(seen, name)
    messages = round(WINDOW_S * RATE_HZ)
    assert metrics["published"] == messages
    assert metrics["deliveries"] == messages * CLIENTS
    assert (metrics["missing"], metrics["duplicates"], metrics["missed_notices"]) == (0, 0, 0)
    pairs = Counter(zip(deliveries["client"], deliveries["message"], strict=True))
    assert len(pairs) == messages * CLIENTS == sum(pairs.values())
    assert set(deliveries["client"]) == set(range(CLIENTS))
    assert len({len(column) for column in deliveries.values()}) == 1
    assert CLIENTS <= metrics["connections"] <= CLIENTS * RUNS[name].condition.kind.connections_most
    assert metrics["clients_lost"] == 0


@pytest.mark.parametrize("name", TALKATIVE)
def test_a_message_is_due_sent_published_written_and_received_in_this_order(
    seen: dict[str, Observed], name: str
) -> None:
    _, deliveries = evaluated(seen, name)
    delay_ms = RUNS[name].condition.one_way_delay_ms
    rows = zip(*(deliveries[f"{time}_ms"] for time in ("due", "sent", "published", "written", "received")), strict=True)
    for due, sent, published, written, received in rows:
        assert 0 <= due < 1000 * WINDOW_S
        assert due <= sent <= published <= written <= received
        assert received - written >= delay_ms - 1  # uvloop's timers are exact to a millisecond


@pytest.mark.parametrize("name", RUNS)
def test_the_categories_add_up(seen: dict[str, Observed], name: str) -> None:
    metrics, _ = evaluated(seen, name)
    assert total(metrics, "up") == metrics["bytes_up"]
    assert total(metrics, "down") == metrics["bytes_down"]
    if name in TALKATIVE:
        assert metrics["down_payload_bytes"] > 120 * metrics["messages"]
        assert "up_unfinished_bytes" not in metrics and "down_unfinished_bytes" not in metrics


@pytest.mark.parametrize("name", TALKATIVE)
def test_segments_are_the_kernels_or_unknown(seen: dict[str, Observed], name: str) -> None:
    metrics, _ = evaluated(seen, name)
    if sys.platform != "linux":
        assert metrics["segments_up"] is metrics["segments_down"] is None
    elif metrics["mark_late_ms"] < MARK_TIME_NS / 1e6:  # otherwise the readers may have left, and the run is suspect
        assert metrics["segments_down"] > 0
        assert metrics["segments_up"] > 0


@pytest.mark.parametrize("name", [name for name in TALKATIVE if RUNS[name].condition.polls])
def test_what_polls_cost_is_counted_per_request(seen: dict[str, Observed], name: str) -> None:
    metrics, _ = evaluated(seen, name)
    condition = RUNS[name].condition
    assert metrics["pushes"] == 0
    assert metrics["requests"] > 0
    assert 0 <= metrics["empty"] < metrics["requests"]
    assert metrics["gap_s"] >= condition.pause_s + 2 * condition.one_way_delay_ms / 1000
    overhead = metrics["bytes_up"] + metrics["bytes_down"] - metrics["down_payload_bytes"]
    assert metrics["cycle_bytes"] == overhead / metrics["requests"]
    assert bool(metrics["setup_bytes"]) == bool(condition.via)  # for the others, the first request is like all others
    assert metrics["span_s"] == CLIENTS * WINDOW_S
    if condition.transport == "long_poll":
        assert metrics["empty"] == 0


@pytest.mark.parametrize("name", [name for name in TALKATIVE if not RUNS[name].condition.polls])
def test_what_is_pushed_needs_no_request(seen: dict[str, Observed], name: str) -> None:
    metrics, _ = evaluated(seen, name)
    assert metrics["requests"] == metrics["empty"] == metrics["bytes_up"] == 0
    assert 0 < metrics["pushes"] <= metrics["messages"]
    assert metrics["messages"] == pytest.approx(metrics["deliveries"], abs=2 * CLIENTS)  # but for the window's edges
    assert metrics["span_s"] == CLIENTS * WINDOW_S
    assert metrics["gap_s"] is metrics["cycle_bytes"] is None


def test_a_browsers_head_is_larger_than_a_librarys(seen: dict[str, Observed]) -> None:
    browser, library = (evaluated(seen, name)[0] for name in ("browser", "short_poll, raw"))
    per_request = [metrics["up_request_head_bytes"] / metrics["requests"] for metrics in (browser, library)]
    assert per_request[0] > 2 * per_request[1] > 200


@pytest.mark.parametrize("name", RUNS)
def test_the_rest_of_the_metrics_is_sane(seen: dict[str, Observed], name: str) -> None:
    metrics, _ = evaluated(seen, name)
    assert 0 < metrics["server_cpu_ms"] < 1000 * WINDOW_S * 2
    assert metrics["server_cpu_share"] == pytest.approx(metrics["server_cpu_ms"] / 1000 / WINDOW_S, rel=0.5)
    assert 5e6 < metrics["server_rss_bytes"] < 5e8
    assert metrics["mark_late_ms"] >= 0
    if RUNS[name].condition.rate_hz:
        assert 0 <= metrics["achieved_share"] <= 1
        assert metrics["publisher_late_p99_ms"] >= 0
    if name in TALKATIVE:
        assert 0 < metrics["readers_cpu_share"] < 2
        assert metrics["server_ms"] >= 0
        assert metrics["from_wire_median_ms"] > RUNS[name].condition.one_way_delay_ms
        assert metrics["probe_median_ms"] > RUNS[name].condition.one_way_delay_ms
        if not RUNS[name].condition.polls:
            assert 300 < metrics["setup_bytes"] < (3_000 if RUNS[name].condition.via else 1_500)
    for waited in ("readers_wait_ms", "server_wait_ms"):
        assert metrics[waited] is None or metrics[waited] >= 0
        if sys.platform == "linux" and name in TALKATIVE:
            assert metrics[waited] is not None


def test_without_readers_there_is_the_publisher_alone(seen: dict[str, Observed]) -> None:
    metrics, deliveries = evaluated(seen, "publisher alone")
    assert metrics["published"] == round(WINDOW_S * RATE_HZ) + round(0.5 * RATE_HZ)  # with the lead-in's
    for name in ("deliveries", "missing", "messages", "requests", "bytes_up", "bytes_down", "connections"):
        assert metrics[name] == 0
    assert not any(deliveries.values())
    assert metrics["setup_bytes"] is metrics["readers_cpu_share"] is metrics["probe_median_ms"] is None


@pytest.mark.parametrize("variant", SILENT)
def test_in_silence_only_asking_costs_something(seen: dict[str, Observed], variant: str) -> None:
    metrics, deliveries = evaluated(seen, f"silent {variant}")
    assert not any(deliveries.values())
    assert metrics["messages"] == metrics["deliveries"] == metrics["missing"] == 0
    assert metrics["empty"] == metrics["requests"]
    assert (metrics["requests"] > 0) == (variant == "short_poll")
    assert (metrics["bytes_up"] + metrics["bytes_down"] > 0) == (variant == "short_poll")
    assert (metrics["setup_bytes"] is None) == variant.endswith("poll")


def test_without_websocket_its_client_hears_nothing_and_socket_io_polls(seen: dict[str, Observed]) -> None:
    undeliverable, deliveries = evaluated(seen, "undeliverable")
    messages = round(WINDOW_S * RATE_HZ)
    assert (undeliverable["messages"], undeliverable["missing"]) == (0, messages * CLIENTS)
    assert not any(deliveries["written_ms"]) and not any(deliveries["received_ms"])
    assert undeliverable["bytes_up"] > 0 < undeliverable["bytes_down"]  # it has tried again, and was refused again
    fallen_back, _ = evaluated(seen, "fallen back")
    assert fallen_back["requests"] > 0 == fallen_back["pushes"]
    assert undeliverable["first_message_ms"] is undeliverable["setup_bytes"] is None


def test_a_first_message_takes_as_many_trips_as_it_must(seen: dict[str, Observed]) -> None:
    for name, trips in (("distant", 4), ("fallen back", 8), ("upgraded", 8)):  # handshakes, requests and responses
        metrics, _ = evaluated(seen, name)
        assert metrics["first_message_ms"] >= 30 * trips - 2
        assert metrics["late_joiners_missing"] == 0


def test_runs_have_the_same_metrics_but_for_the_bytes_of_what_they_do(seen: dict[str, Observed]) -> None:
    names = [{n for n in evaluated(seen, name)[0] if not n.startswith(("up_", "down_", "setup_"))} for name in RUNS]
    assert all(one == names[0] for one in names)
    # Runs whose readers only count have the same names, too.
    others = {*weigh.UNKNOWN, *weigh.NONE} - {"setup_bytes"}
    assert others <= names[0]
    assert names[0] - others == ALWAYS
    for name in TALKATIVE:
        metrics, _ = evaluated(seen, name)
        parts = [size for n, size in metrics.items() if n.startswith("setup_") and n != "setup_bytes"]
        assert sum(parts) == pytest.approx(metrics["setup_bytes"] or 0)


def test_the_server_is_blamed_from_when_it_had_both_the_message_and_the_request(seen: dict[str, Observed]) -> None:
    took_ms = {}
    for name in ("short_poll, raw", "websocket, raw"):
        earlier = [replace(p, published_ns=p.published_ns - 10**9) for p in seen[name].publications]
        more = evaluate(RUNS[name], replace(seen[name], publications=earlier))["metrics"]["server_ms"]
        took_ms[name] = more - evaluated(seen, name)[0]["server_ms"]
    assert took_ms["websocket, raw"] == pytest.approx(1_000, abs=0.001)
    assert took_ms["short_poll, raw"] < 500  # nothing, but for a message that arrives while a response is made


def silent(kind: Kind, size: int, every_s: float, first_s: float, until_s: float) -> list[Exchange]:
    """Heartbeats of one kind, up to the end of the window."""
    times_s = np.arange(first_s, until_s, every_s)
    return [
        Exchange(kind, "/", round(t * 1e9), round(t * 1e9), sizes=Counter({("down", "control"): size})) for t in times_s
    ]


@pytest.mark.parametrize("seed", range(30))
def test_heartbeats_are_counted_in_whole_periods(seed: int) -> None:
    """Socket.IO over WebSocket: 10 bytes every 25 s, 16 every 20 s, whenever the window happens to begin."""
    rng = random.Random(seed)
    socket_io = silent("push", 10, 25.0, rng.uniform(0, 25), 60.0)
    websocket = silent("push", 16, 20.0, rng.uniform(0, 20), 60.0)
    counted, span_s = whole_periods(sorted([*socket_io, *websocket], key=lambda e: e.started_ns), 60.0)
    assert 60 * sum(e.sizes.total() for e in counted) / span_s == pytest.approx(72.0)
    sse, span_s = whole_periods(silent("push", 8, 15.0, rng.uniform(0, 15), 60.0), 60.0)
    assert 60 * sum(e.sizes.total() for e in sse) / span_s == pytest.approx(32.0)


def test_without_heartbeats_the_window_is_what_was_silent() -> None:
    assert whole_periods([], 60.0) == ([], 60.0)
    once = silent("push", 8, 90.0, 10.0, 60.0)
    assert whole_periods(once, 60.0) == (once, 60.0)


# What is noticed


def test_connections_with_the_same_port_are_told_apart_by_when_they_were_opened(seen: dict[str, Observed]) -> None:
    whole = seen["sse, raw"]
    (number, (opened,)), *_ = whole.received.connections.items()
    its = next(c for c in whole.recording.connections if c.client_port == opened.port)
    for seconds in (-2, 2):
        other = replace(its, number=99, opened_ns=its.opened_ns + seconds * 1_000_000_000)
        later = readers.Opened(opened.port, opened.at_ns + seconds * 1_000_000_000)
        assert matched([other, its], [[opened], [later]]) == [[its.number], [99]]
    assert matched([its], [[opened], []]) == [[its.number], []]
    received = replace(whole.received, connections={**whole.received.connections, 9: [opened]})
    with pytest.raises(ValueError, match=r"connection \d+ seems to belong to two clients"):
        evaluate(RUNS["sse, raw"], replace(whole, received=received))
    assert number in evaluated(seen, "sse, raw")[1]["client"]


def test_what_did_not_arrive_is_missing_and_what_arrived_twice_a_duplicate(seen: dict[str, Observed]) -> None:
    run, whole = RUNS["websocket, raw"], seen["websocket, raw"]
    counted = [m for m in whole.received.messages if m[1] == evaluated(seen, "websocket, raw")[1]["message"][3]]
    lost, twice = counted
    kept = [message for message in whole.received.messages if message != lost]
    again = (*twice[:2], twice[2] + 1_000_000_000)
    result = evaluate(run, replace(whole, received=replace(whole.received, messages=[*kept, again], missed=3)))
    metrics, deliveries = result["metrics"], result["deliveries"]
    assert (metrics["missing"], metrics["duplicates"], metrics["missed_notices"]) == (1, 1, 3)
    assert metrics["deliveries"] == round(WINDOW_S * RATE_HZ) * CLIENTS - 1
    rows = list(zip(deliveries["client"], deliveries["message"], deliveries["received_ms"], strict=True))
    assert [row[:2] for row in rows if row[2] is None] == [lost[:2]]
    (first,) = (received_ms for client, message, received_ms in rows if (client, message) == twice[:2])
    assert first == pytest.approx((twice[2] - whole.start_ns) / 1e6, abs=1e-3)  # the first time counts


def test_what_comes_after_a_later_message_is_reordered() -> None:
    first, second = [1, 3, 2, 5, 4, 5], [7, 8, 6]
    messages = [*((0, number, 0) for number in first), *((1, number, 0) for number in second)]
    assert reordered(messages) == 3
    assert reordered(sorted(messages)) == 0


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_byte_that_is_not_explained_fails_the_run(seen: dict[str, Observed], direction: str) -> None:
    whole = seen["sse, raw"]
    wrong = [
        replace(c, **{f"bytes_{direction}": getattr(c, f"bytes_{direction}") + 1}) for c in whole.recording.connections
    ]
    with pytest.raises(Unbalanced):
        evaluate(RUNS["sse, raw"], replace(whole, recording=replace(whole.recording, connections=wrong)))


def test_segments_are_those_of_the_readers_in_the_window(seen: dict[str, Observed]) -> None:
    whole = seen["sse, raw"]
    numbers = [connection.number for connection in whole.recording.connections]
    assert len(numbers) == CLIENTS + 2  # the probe's and the publisher's too
    first, last = whole.recording.marks
    marks = [
        replace(first, segments={number: {"segments_up": 100, "segments_down": 1_000} for number in numbers}),
        replace(last, segments={number: {"segments_up": 107, "segments_down": 1_009} for number in numbers}),
    ]
    result = evaluate(RUNS["sse, raw"], replace(whole, recording=replace(whole.recording, marks=marks)))
    assert result["metrics"]["segments_up"] == 7 * CLIENTS
    assert result["metrics"]["segments_down"] == 9 * CLIENTS


def test_what_a_system_does_not_tell_is_unknown(seen: dict[str, Observed]) -> None:
    whole = seen["sse, raw"]
    marks = [replace(mark, segments=dict.fromkeys(mark.segments)) for mark in whole.recording.marks]
    assert whole.received.usage is not None
    first, last = (replace(usage, waited_ns=None, waits=None) for usage in whole.received.usage)
    silent = replace(
        whole,
        recording=replace(whole.recording, marks=marks),
        received=replace(whole.received, usage=(first, last)),
        server_waits=None,
    )
    result = evaluate(RUNS["sse, raw"], silent)
    for name in ("segments_up", "segments_down", "readers_wait_ms", "server_wait_ms"):
        assert result["metrics"][name] is None


def test_a_late_publisher_is_noticed(seen: dict[str, Observed]) -> None:
    whole = seen["websocket, raw"]
    *others, once, last = whole.publications
    others = [replace(p, sent_ns=p.due_ns) for p in others]
    late = replace(once, sent_ns=once.due_ns + 11_000_000, published_ns=whole.end_ns + 20_000_000)
    result = evaluate(RUNS["websocket, raw"], replace(whole, publications=[*others, late, last]))
    assert result["metrics"]["publisher_late_p99_ms"] == 11
    assert "the publisher was 11.0 ms late (p99)" in result["suspect"]
    assert result["metrics"]["achieved_share"] == 29 / 30
    assert "only 0.967 of the messages were published in time" in result["suspect"]


def test_busy_and_waiting_processes_are_noticed(seen: dict[str, Observed]) -> None:
    whole = seen["websocket, raw"]
    usage = (Usage(10**9, 10**8, 10**6, 100), Usage(2 * 10**9, 8 * 10**8, 10**6 + 30 * 10**6, 110))
    received = replace(whole.received, usage=usage)
    result = evaluate(
        RUNS["websocket, raw"], replace(whole, received=received, server_waits=((5, 100), (5 + 25 * 10**6, 110)))
    )
    assert result["metrics"]["readers_cpu_share"] == pytest.approx(0.7)
    assert result["metrics"]["readers_wait_ms"] == pytest.approx(3)
    assert result["metrics"]["server_wait_ms"] == pytest.approx(2.5)
    assert {
        "the readers used 0.70 of a core",
        "the readers waited 3.0 ms for a CPU each time",
        "the server waited 2.5 ms for a CPU each time",
    } <= set(result["suspect"])


def test_a_late_mark_is_noticed(seen: dict[str, Observed]) -> None:
    whole = seen["websocket, raw"]
    first, last = whole.recording.marks
    late: list[Mark] = [first, replace(last, at_ns=whole.end_ns + 51_000_000)]
    result = evaluate(RUNS["websocket, raw"], replace(whole, recording=replace(whole.recording, marks=late)))
    assert "the server noted its state 51 ms late" in result["suspect"]
