"""What was observed of a run, as numbers."""

import itertools
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from app.message import Cursor
from experiments.analysis.ledger import Exchange, explain
from experiments.design import Run
from experiments.run import readers, recording
from experiments.run.checking import Order
from experiments.run.observe import Observed
from experiments.run.suspect import reasons
from experiments.run.usage import mean_wait_ms


def evaluate(run: Run, seen: Observed) -> dict[str, Any]:
    """What was observed, as numbers. Times in the deliveries are milliseconds since the window began."""
    everything = {c.number: explain(c) for c in seen.recording.connections}  # raises if one is unbalanced
    *numbers, probes = matched(
        seen.recording.connections, [*seen.received.connections.values(), seen.probe_connections]
    )
    its_numbers = dict(zip(seen.received.connections, numbers, strict=True))
    exchanges: dict[int, list[Exchange]] = {
        client: sorted((e for number in numbers for e in everything[number]), key=lambda e: e.started_ns)
        for client, numbers in its_numbers.items()
    }
    deliveries = _deliveries(seen, exchanges)
    metrics = {
        **_wire(run, seen, exchanges),
        **_delivered(run, seen, deliveries),
        **_segments(seen, its_numbers),
        **_server(seen),
        "server_ms": _server_ms(run, seen, exchanges),
        **_quality(seen, deliveries, [e for number in probes for e in everything[number]]),
    }
    return {
        "metrics": metrics,
        "suspect": reasons(metrics, run.condition.undeliverable),
        "deliveries": deliveries,
    }


def matched(connections: list[recording.Connection], clients: list[list[readers.Opened]]) -> list[list[int]]:
    """The numbers of each client's connections: those with the same port, opened at about the same time.

    A reader that is refused again and again uses hundreds of ports, and the system gives one out again once it is
    free. Raises ValueError if two clients would have the same connection.
    """
    by_port = defaultdict[int, list[recording.Connection]](list)
    for connection in connections:
        by_port[connection.client_port].append(connection)

    def number(opened: readers.Opened) -> int:
        return min(by_port[opened.port], key=lambda one: abs(one.opened_ns - opened.at_ns)).number

    found = [[number(opened) for opened in its if opened.port in by_port] for its in clients]
    times = Counter(one for its in found for one in its)
    if twice := [one for one in times if times[one] > 1]:
        raise ValueError(f"connection {twice[0]} seems to belong to two clients: their ports are the same")
    return found


DELIVERY_COLUMNS = ("client", "message", "due_ms", "sent_ms", "published_ms", "written_ms", "received_ms")


def _deliveries(seen: Observed, exchanges: dict[int, list[Exchange]]) -> dict[str, list[Any]]:
    """One row per reader and message that was due in the window; `received_ms` is None if it never came."""
    counted = {Cursor.parse(p.cursor).seq: p for p in seen.publications if seen.start_ns <= p.due_ns < seen.end_ns}
    received: dict[tuple[int, int], int] = {}
    for client, seq, at_ns in seen.received.messages:
        received.setdefault((client, seq), at_ns)
    written: dict[tuple[int, int], int] = {}
    for client, its in exchanges.items():
        for exchange in its:
            for cursor, at_ns in exchange.messages:
                written.setdefault((client, cursor.seq), at_ns)
    columns: dict[str, list[Any]] = {name: [] for name in DELIVERY_COLUMNS}
    for client in sorted(exchanges):
        for seq, p in counted.items():
            times = (p.due_ns, p.sent_ns, p.published_ns, written.get((client, seq)), received.get((client, seq)))
            columns["client"].append(client)
            columns["message"].append(seq)
            for name, time_ns in zip(list(columns)[2:], times, strict=True):
                columns[name].append(None if time_ns is None else round((time_ns - seen.start_ns) / 1e6, 4))
    return columns


def _wire(run: Run, seen: Observed, exchanges: dict[int, list[Exchange]]) -> dict[str, Any]:
    """Requests, messages and bytes by category, of exchanges that began in the window."""
    sizes: Counter[tuple[str, str]] = Counter()
    setup: Counter[str] = Counter()
    requests = empty = messages = pushes = 0
    span_s = 0.0
    gaps_s: list[float] = []

    def counts(exchange: Exchange) -> bool:
        return seen.start_ns <= exchange.started_ns < seen.end_ns

    for its in exchanges.values():
        inside = [e for e in its if counts(e)]
        asked_ns = [e.started_ns for e in inside if e.method == "GET"]
        if run.condition.polls:
            polls = [e for e in its if e.method == "GET"]
            gaps_s += [(b.started_ns - a.ended_ns) / 1e9 for a, b in itertools.pairwise(polls) if counts(a)]
        its_span_s = run.window_s
        if not run.condition.rate_hz:  # silence: not the message that ends it
            inside = [e for e in inside if not e.messages]
            if run.condition.polls:  # few requests begin in a window: whole cycles, from the first to the last
                first_ns, last_ns = (asked_ns[0], asked_ns[-1]) if asked_ns else (0, 0)
                inside = [e for e in inside if first_ns <= e.started_ns < last_ns]
                its_span_s = (last_ns - first_ns) / 1e9
            else:
                inside, its_span_s = whole_periods(inside, run.window_s)
        span_s += its_span_s
        for exchange in inside:
            sizes.update(exchange.sizes)
            messages += len(exchange.messages)
            requests += exchange.kind == "request"
            empty += exchange.kind == "request" and not exchange.messages
            pushes += exchange.kind == "push"
        if run.condition.via or not (run.condition.polls or run.condition.undeliverable):
            for e in opening(its):
                for (_, category), size in e.sizes.items():
                    setup[category] += size * (category != "payload")
    up_s = run.condition.one_way_delay_ms / 1000
    payload = sizes["down", "payload"]
    overhead = sum(sizes.values()) - payload
    return {
        "requests": requests,
        "empty": empty,
        "pushes": pushes,
        "messages": messages,
        "span_s": span_s,
        "gap_s": statistics.fmean(gaps_s) + up_s if gaps_s else None,
        "cycle_bytes": overhead / requests if run.condition.polls and requests else None,
        "bytes_up": sum(size for (direction, _), size in sizes.items() if direction == "up"),
        "bytes_down": sum(size for (direction, _), size in sizes.items() if direction == "down"),
        **{f"{direction}_{category}_bytes": size for (direction, category), size in sorted(sizes.items())},
        "setup_bytes": setup.total() / len(exchanges) if setup else None,
        **{f"setup_{category}_bytes": size / len(exchanges) for category, size in sorted(setup.items()) if size},
        "unfinished_bytes": sum(
            e.sizes[direction, "unfinished"] for its in exchanges.values() for e in its for direction in ("up", "down")
        ),
        "connections": sum(map(len, seen.received.connections.values())),
    }


def whole_periods(silent: list[Exchange], window_s: float) -> tuple[list[Exchange], float]:
    """Heartbeats of whole periods, and the seconds that their bytes stand for.

    A window of 60 s holds two or three heartbeats of 25 s, and never 2.4. So each kind of heartbeat is counted from
    its first to its last, which is a whole number of its periods. A connection may have several kinds (Socket.IO over
    WebSocket pings by itself every 25 s, and the WebSocket beneath it every 20 s): the seconds are those in which all
    kinds together, each at its own rate, bring as many bytes as were counted.
    """
    kinds: dict[Any, list[Exchange]] = {}
    for exchange in silent:
        kinds.setdefault((exchange.kind, *sorted(exchange.sizes.items())), []).append(exchange)
    counted: list[Exchange] = []
    size, size_per_s = 0, 0.0
    for its in kinds.values():
        whole, span_s = (its[:-1], (its[-1].started_ns - its[0].started_ns) / 1e9) if len(its) > 1 else (its, window_s)
        counted += whole
        size += (its_size := sum(e.sizes.total() for e in whole))
        size_per_s += its_size / span_s
    return counted, size / size_per_s if size else window_s


def opening(its: list[Exchange]) -> list[Exchange]:
    """The exchanges before the first message; for Socket.IO, those that the ledger marks as opening."""
    if any(e.opening for e in its):
        return [e for e in its if e.opening]
    first_news = next((i for i, e in enumerate(its) if e.messages), len(its) - 1)
    return [e for e in its if not e.messages and e.started_ns < its[first_news].started_ns]


def _delivered(run: Run, seen: Observed, deliveries: dict[str, list[Any]]) -> dict[str, Any]:
    times = Counter((client, seq) for client, seq, _ in seen.received.messages)
    connections = run.condition.kind.connections_most
    return {
        "published": len(set(deliveries["message"])) if run.condition.clients else len(seen.publications) - 1,
        "deliveries": sum(at is not None for at in deliveries["received_ms"]),
        "missing": sum(at is None for at in deliveries["received_ms"]),
        "duplicates": sum(times.values()) - len(times),
        "reordered": reordered(seen.received.messages),
        "missed_notices": seen.received.missed,
        "clients_lost": sum(len(its) > connections for its in seen.received.connections.values()),
        "first_message_ms": statistics.fmean(one.first_ms for one in seen.late_joiners) if seen.late_joiners else None,
        "late_joiners_missing": sum(one.missing for one in seen.late_joiners),
    }


def reordered(messages: Iterable[tuple[int, int, int]]) -> int:
    """How many messages came to a reader for the first time after a later one; (client, number, received_ns) each."""
    orders: dict[int, Order] = {}
    for client, number, _ in messages:
        orders.setdefault(client, Order(0)).take(number)
    return sum(order.reordered for order in orders.values())


def _segments(seen: Observed, connections: dict[int, list[int]]) -> dict[str, Any]:
    """TCP segments of the readers' connections in the window; None where the system does not count them."""
    before, after = seen.recording.marks
    total: dict[str, int | None] = {"segments_up": None, "segments_down": None}
    for numbers in connections.values():
        for number in numbers:
            first, last = before.segments.get(number), after.segments.get(number)
            if first and last:
                for name in total:
                    total[name] = (total[name] or 0) + last[name] - first[name]
    return total


def _server(seen: Observed) -> dict[str, Any]:
    before, after = seen.recording.marks
    return {
        "server_cpu_ms": (after.cpu_ns - before.cpu_ns) / 1e6,
        "server_cpu_share": (after.cpu_ns - before.cpu_ns) / (after.at_ns - before.at_ns),
        "server_rss_bytes": before.rss_bytes,
    }


def _server_ms(run: Run, seen: Observed, exchanges: dict[int, list[Exchange]]) -> float | None:
    """How long the server itself took, on average, for a response or a push with messages in it.

    From when both were there, the last message and, for a poll, the request, to when the last byte was written.
    """
    up_ns = round(run.condition.one_way_delay_ms * 1e6)
    published = {p.cursor: p.published_ns for p in seen.publications}
    took_ns = [
        e.ended_ns - max(published[str(e.messages[-1][0])], e.started_ns + up_ns if e.kind == "request" else 0)
        for its in exchanges.values()
        for e in its
        if e.messages and seen.start_ns <= e.started_ns < seen.end_ns
    ]
    return statistics.fmean(took_ns) / 1e6 if took_ns else None


def _quality(seen: Observed, deliveries: dict[str, list[Any]], probes: list[Exchange]) -> dict[str, Any]:
    """What tells whether the run is suspect."""
    inside = [p for p in seen.publications if seen.start_ns <= p.due_ns < seen.end_ns]
    late_ms = sorted((p.sent_ns - p.due_ns) / 1e6 for p in inside)
    in_time = sum(p.published_ns < seen.end_ns + 10_000_000 for p in inside)
    usage = seen.received.usage
    probe_written = {cursor.seq: at_ns for e in probes for cursor, at_ns in e.messages}
    probe_ms = [
        (seen.probe[seq] - probe_written[seq]) / 1e6
        for seq in set(deliveries["message"])
        if seq in seen.probe and seq in probe_written
    ]
    ours_ms = [
        received - written
        for received, written in zip(deliveries["received_ms"], deliveries["written_ms"], strict=True)
        if received is not None and written is not None
    ]
    return {
        "way_in_mean_ms": statistics.fmean((p.published_ns - p.due_ns) / 1e6 for p in inside) if inside else None,
        "achieved_share": in_time / len(inside) if inside else None,
        "mark_late_ms": max(
            (mark.at_ns - at_ns) / 1e6
            for mark, at_ns in zip(seen.recording.marks, (seen.start_ns, seen.end_ns), strict=True)
        ),
        "publisher_late_p99_ms": late_ms[round(0.99 * (len(late_ms) - 1))] if late_ms else None,
        "readers_cpu_share": (usage[1].cpu_ns - usage[0].cpu_ns) / (usage[1].at_ns - usage[0].at_ns) if usage else None,
        "readers_wait_ms": mean_wait_ms(
            (usage[0].waited_ns, usage[0].waits) if usage else None,
            (usage[1].waited_ns, usage[1].waits) if usage else None,
        ),
        "server_wait_ms": mean_wait_ms(*seen.server_waits) if seen.server_waits else None,
        "from_wire_median_ms": statistics.median(ours_ms) if ours_ms else None,
        "probe_median_ms": statistics.median(probe_ms) if probe_ms else None,
    }
