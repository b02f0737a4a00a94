"""A comparison that nobody measured: every condition of every question, as the formulas and a few made-up costs say.

A test changes what it asks about; everything else stays as one would expect it to be.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from experiments import store
from experiments.analysis.tables import Table, deliveries_frame, prediction, runs_frame, summarise
from experiments.analysis.theory import Polling
from experiments.design import SIZES, Condition
from experiments.questions import QUESTIONS

WINDOW_S = 10.0
PAYLOAD_BYTES = 170
SETUP_BYTES = {"sse": 750.0, "websocket": 710.0, "socket_io": 3_200.0}
BUSY_MS = {"short_poll": 0.02, "long_poll": 0.025, "sse": 0.006, "websocket": 0.006, "socket_io": 0.009}
READER_BYTES = {"short_poll": 40_000, "long_poll": 40_000, "sse": 40_000, "websocket": 40_000, "socket_io": 80_000}
TAP_MS, TAP_BYTES = 0.004, 3_000
TASK_MS, TASK_BYTES = 0.03, 2_000
"""What a task per reader adds to a response or a push, and to a reader's memory."""
STEPS = (0.1, 0.4, 0.7, 1.0)
TOLD_US = {"short_poll": 75, "long_poll": 90, "sse": 8, "websocket": 9, "socket_io": 10}
"""CPU of a delivery with the hub, or to a poller; a task takes four times as much."""
TOLD = (1, 100, 500, 1_000, 2_000)
SILENT_BYTES = {"sse": 32.0, "websocket": 48.0, "socket_io": 60.0}

Result = dict[str, Any]
Change = Callable[[Condition, Result], object]
"""Changes a run's result: its metrics, its `delay_ms` of each message (None: it never arrived), why it is suspect."""

CONDITIONS = list(dict.fromkeys(condition for question in QUESTIONS.values() for condition in question.CONDITIONS))


def a_table(
    change: Change = lambda condition, result: None, there: Callable[[Condition], bool] = lambda condition: True
) -> Table:
    """All questions' tables, of two equal runs of each condition that is `there`, after `change`."""
    results = made_up(filter(there, CONDITIONS), change)
    runs, delivered = runs_frame(results), deliveries_frame(results)
    return Table(summarise(runs, delivered), runs, delivered)


@cache
def everything() -> Table:
    """All questions' tables, as one would expect them to be; not to be changed."""
    return a_table()


def runs_of(conditions: Iterable[Condition], change: Change) -> pd.DataFrame:
    """The runs alone."""
    return runs_frame(made_up(conditions, change))


def made_up(conditions: Iterable[Condition], change: Change) -> list[Result]:
    results = []
    for condition in conditions:
        for repeat in range(2):
            result = a_result(condition, repeat)
            change(condition, result)
            results.append(result | {"deliveries": deliveries(result, condition.one_way_delay_ms)})
    return results


def stored(table: Table, folder: Path, *questions: str) -> Path:
    """`folder`, with what a report needs: all runs for the verdicts, and a few questions, for charts take a while."""
    store.write_frame(folder / "runs.csv", table.runs)
    store.write_frame(folder / "deliveries.csv.gz", table.deliveries)
    store.write_json(
        folder / "plan.json",
        {"size": asdict(SIZES["default"]), "seed": 1, "questions": [*questions] or ["interval"], "runs": []},
    )
    machine = {name: name for name in ("system", "machine", "processor", "cores", "memory_gib", "python", "commit")}
    store.write_json(folder / "machine.json", machine | {"packages": {}})
    return folder


def a_result(condition: Condition, repeat: int) -> Result:
    """What is stored of a run, but for the deliveries."""
    down_ms, clients = condition.one_way_delay_ms, condition.clients
    published = round(condition.rate_hz * WINDOW_S)
    delay_ms: list[float | None] = [down_ms + 2.0] * published
    gap_s = condition.cycle_s + 0.002 if condition.polls else None
    model = prediction(condition, gap_s)
    requests = 0.0
    if isinstance(model, Polling):
        requests = model.requests_hz * WINDOW_S * clients
        if condition.transport == "short_poll":
            delay_ms = [down_ms + 1000 * model.gap_s * (i + 0.5) / published for i in range(published)]
    if condition.undeliverable:
        requests, delay_ms = 1.0 * clients, [None] * published
    messages = sum(delay is not None for delay in delay_ms) * clients
    pushed = condition.kind.framing_bytes
    framing = pushed(PAYLOAD_BYTES) if pushed and not (condition.polls or condition.undeliverable) else 0
    header = framing if condition.transport == "websocket" else 4 * (condition.transport == "socket_io")
    pings = SILENT_BYTES.get(condition.transport, 0.0) * clients * WINDOW_S / 60 * (not condition.rate_hz)
    bytes_up = 366 * requests
    bytes_down = messages * (PAYLOAD_BYTES + framing) + pings
    cost_ms = 0.35 if condition.polls else 0.09 if condition.via else 0.06
    events = (requests if condition.polls else messages) * (clients + 1) / max(clients, 1)
    result = {
        "run": f"{condition.variant}-{hash(condition)}-{repeat}",
        "condition": vars(condition),
        "repeat": repeat,
        "window_s": WINDOW_S,
        "seed": 1,
        "started_utc": "2026-01-02T03:04:05Z",
        "suspect": [],
        "tries": 1,
        "delay_ms": delay_ms,
        "metrics": {
            "published": published,
            "deliveries": messages,
            "missing": published * clients - messages,
            "duplicates": 0,
            "connections": clients,
            "requests": requests,
            "empty": requests * model.empty_share if isinstance(model, Polling) else 0.0,
            "messages": messages,
            "span_s": WINDOW_S * max(clients, 1),
            "gap_s": gap_s,
            "cycle_bytes": 366.0,
            "bytes_up": bytes_up,
            "bytes_down": bytes_down,
            "up_request_head_bytes": bytes_up,
            "down_payload_bytes": PAYLOAD_BYTES * messages,
            "down_frame_bytes": header * messages,
            "down_other_bytes": (framing - header) * messages + pings,
            "segments_up": None,
            "segments_down": None,
            "setup_bytes": SETUP_BYTES.get(condition.transport),
            "server_cpu_ms": WINDOW_S * (10 + 0.3 * condition.rate_hz) + cost_ms * events,
            "server_rss_bytes": 45_000_000 + clients * (80_000 if condition.via else 40_000),
            "server_ms": 0.3,
            "publisher_late_p99_ms": 1.0,
            "readers_cpu_share": 0.1,
            "readers_wait_ms": None,
            "server_wait_ms": None,
            "first_message_ms": 200.0,
            "late_joiners_missing": 0,
        },
    }
    if condition.crowd:
        return told(condition, result)
    return weighed(condition, result) if condition.measures != "deliveries" else result


def told(condition: Condition, result: Result) -> Result:
    """The same of a run with a crowd: broadcasts, or a storm."""
    metrics, clients = result["metrics"], condition.clients
    metrics |= {"published": 6, "deliveries": 6 * clients, "missing": 0, "requests": 0, "empty": 0, "messages": 0}
    if condition.measures == "storm":
        later = 2.0 if condition.backoff else 1.0
        metrics |= {"storm_readers": clients, "storm_listens_ms": 700.0, "storm_attempts": later * clients}
        metrics |= {"storm_refused": (later - 1) * clients, "storm_failed": 0, "storm_peak_share": 1.0}
        metrics |= {"storm_median_ms": 1_200 * later, "storm_last_ms": 2_100 * later}
        metrics |= {"storm_took_median_ms": 400 / later, "storm_took_last_ms": 800 / later}
        return result | {"delay_ms": []}
    us = TOLD_US[condition.transport] * (4 if condition.fan_out == "tasks" else 1)
    for place, share in enumerate(TOLD, 1):
        readers = max(1, share * clients // TOLD[-1])
        cpu_ms = 0.8 + us * readers / 1_000
        its = {
            "readers": readers,
            "broadcasts": 6,
            "events": 6 * readers,
            "cpu_ms": 6 * cpu_ms,
            "median_ms": cpu_ms / 2,
        }
        its |= {
            "last_ms": cpu_ms,
            "readers_share": 0.4,
            "starved_share": 0.05,
            "rss_bytes": 45_000_000 + READER_BYTES[condition.transport] * readers,
        }
        metrics |= {f"step_{place}_{name}": value for name, value in its.items()}
    metrics |= {"saturated_hz": 1e6 / us, "bytes_per_delivery": 190.0}
    return result | {"delay_ms": []}


def weighed(condition: Condition, result: Result) -> Result:
    """The same of a run whose readers only count."""
    metrics, clients = result["metrics"], condition.clients
    tasks, no_tap = condition.fan_out == "tasks", not condition.tap
    busy_ms = BUSY_MS[condition.transport] + TASK_MS * tasks - TAP_MS * no_tap
    reader_bytes = READER_BYTES[condition.transport] + TASK_BYTES * tasks - TAP_BYTES * no_tap
    asked = clients / condition.pause_s if condition.pause_s else clients * condition.rate_hz
    metrics["requests"] = round(asked * WINDOW_S) if condition.polls else 0
    events = metrics["requests"] if condition.polls else metrics["messages"]
    metrics["server_cpu_ms"] = WINDOW_S * (10 + 0.3 * condition.rate_hz) + busy_ms * events
    if condition.measures == "memory":
        for number, share in enumerate(STEPS, 1):
            metrics[f"step_{number}_readers"] = round(share * clients)
            metrics[f"step_{number}_rss_bytes"] = 45_000_000 + round(share * clients) * reader_bytes
    return result | {"delay_ms": []}


def deliveries(result: Result, down_ms: float) -> dict[str, list[Any]]:
    """The columns that a run has of its deliveries: of one reader."""
    delay_ms = result["delay_ms"]
    due = [50.0 * i for i in range(len(delay_ms))]
    arrived = [None if delay is None else at + delay for at, delay in zip(due, delay_ms, strict=True)]
    return {
        "client": [0] * len(due),
        "message": list(range(len(due))),
        "due_ms": due,
        "sent_ms": due,
        "published_ms": due,
        "written_ms": [None if at is None else at - down_ms for at in arrived],
        "received_ms": arrived,
    }
