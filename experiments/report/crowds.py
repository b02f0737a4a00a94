"""What is said of crowds: names, sentences and tables, each whole."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from experiments.analysis import crowds
from experiments.analysis.tables import Table
from experiments.report import words
from experiments.run.suspect import READERS_BUSY
from experiments.variants import PALETTE, VARIANTS

Numbers = tuple[str, list[str], list[list[str]]]
"""A table: its caption, its head, its rows."""


def title(variant: str, fan_out: str) -> str:
    """`SSE, hub` or `SSE, tasks`."""
    return f"{PALETTE[VARIANTS[variant].transport]['title']}, {fan_out}"


def end(row: "pd.Series[float]", name: str, value: float) -> str:
    """What stands at the end of a line: whose it is, and the slope, or the time of the last reader."""
    its = title(str(row.variant), str(row.fan_out))
    if name == "last_ms":
        return f"{its} {words.seconds(value)}"
    return f"{its} {microseconds(row.us)}" if row.us == row.us else its


def written(fan_out: str) -> str:
    """By whom the server has readers written to."""
    return {"hub": "the hub", "tasks": "a task each"}[fan_out]


def backoff(on: bool) -> str:
    """How readers come back that have lost their connection."""
    return "with a backoff" if on else "each back after exactly 1 s"


def microseconds(us: float) -> str:
    return f"{us:.0f}{words.NARROW}µs" if us >= 9.95 else f"{us:.1f}{words.NARROW}µs"


def tick(us: float) -> str:
    """`10 µs`, `0.1 ms`, `2 s`: at an axis."""
    if us < 100:
        return f"{us:g} µs"
    return f"{us / 1e3:g} ms" if us < 100_000 else f"{us / 1e6:g} s"


def rate(per_second: float) -> str:
    """`18,000`: two digits that mean something."""
    return f"{float(f'{per_second:.2g}'):,.0f}"


def undecided() -> str:
    """Instead of a conclusion."""
    return "Too many points are limited by readers or machine, or their runs suspect, to say what a broadcast costs"


def concluded(readers: int, cpu_ms: "pd.Series[float]", last_ms: "pd.Series[float]") -> str:
    """What telling so many WebSocket readers costs and takes; both by `fan_out`."""
    return (
        f"One message to {readers:,} WebSocket readers costs this server {words.seconds(cpu_ms['hub'])} of CPU with a "
        f"hub and {words.seconds(cpu_ms['tasks'])} with a task for each; the last reader has it after "
        f"{words.seconds(last_ms['hub'])} and {words.seconds(last_ms['tasks'])}"
    )


def key() -> str:
    """What the lines of the chart mean."""
    return (
        "Solid: the hub; the tap responds to polls it knows. Dashed: a task per reader, every poll through uvicorn. "
        "Short polling: per poll, every 1 s.\nDotted: a + b N, fitted to the CPU; the slope b is the CPU of one more "
        "reader."
    )


def limited(summary: pd.DataFrame) -> str:
    """Where there were fewer readers than there should have been; empty if nowhere."""
    points = crowds.points(summary)
    wanted, most = int(summary.clients.max()), int(points.readers.max()) if len(points) else 0
    return (
        f"Up to {most:,} readers instead of {wanted:,}: this system allows no more open files."
        if 0 < most < wanted
        else ""
    )


def saturation(summary: pd.DataFrame) -> str:
    """How many deliveries there are when messages come as fast as the server takes them; empty if not measured."""
    if "saturated_hz" not in summary:
        return ""
    its = summary[(summary.variant == "websocket") & ~summary.suspect].dropna(subset="saturated_hz")
    by = {row["fan_out"]: saturated(row) for row in its.to_dict("records")}
    if not {"hub", "tasks"} <= by.keys():
        return ""
    return (
        f"Saturated, over WebSocket, messages of one turn in one write: {by['hub']} deliveries/s with the hub, "
        f"{by['tasks']}/s with tasks."
    )


def saturated(row: dict[Any, Any]) -> str:
    """Deliveries per second of a row of the summary; at least so many where the readers were the limit."""
    value = row.get("saturated_hz", float("nan"))
    if value != value:
        return ""
    return f"{'≥ ' * (row.get('saturated_readers_share', 0.0) > READERS_BUSY)}{rate(value)}"


def quick() -> str:
    """What a quick look leaves out."""
    return (
        "A quick look: over WebSocket alone. Without QUICK there are 2,000 readers, every transport, polls, and a "
        "storm of reconnecting readers."
    )


def storm(runs: pd.DataFrame) -> str:
    """What a restart does to everybody, as ranges over the runs; empty if not measured."""
    its = runs[(runs.measures == "storm") & ~runs.suspect].dropna(subset="storm_last_ms")
    if its.backoff.nunique() < 2:
        return ""
    (half, all_), (half_with, all_with) = (
        [range_of(its[its.backoff == on][name]) for name in ("storm_median_ms", "storm_last_ms")]
        for on in (False, True)
    )
    return (
        f"Server killed, {its.storm_readers.max():,.0f} readers: half are back after {half}, all after {all_} without "
        f"backoff; after {half_with} and {all_with} with."
    )


def range_of(ms: "pd.Series[float]") -> str:
    """`4.5 s to 5.1 s`."""
    return f"{words.seconds(ms.min())} to {words.seconds(ms.max())}"


def numbers(table: Table) -> Iterator[Numbers]:
    """The tables of the report."""
    runs, summary = crowds.largest(table.runs), crowds.largest(table.summary)
    yield costs(runs, summary)
    yield points(summary)
    if (summary.measures == "storm").any():
        yield storms(summary)


def costs(runs: pd.DataFrame, summary: pd.DataFrame) -> Numbers:
    """One row per variant and fan-out."""
    head = [
        "transport",
        "server CPU per delivery (short polling: per poll), 95 % interval",
        "memory per reader, 95 % interval",
        "deliveries/s, saturated",
        "bytes per push",
    ]
    its = summary.set_index(crowds.KEYS)
    memory = crowds.memory(runs).set_index(crowds.KEYS)
    rows = []
    for row in crowds.deliveries(runs).to_dict("records"):
        place = (row["variant"], row["fan_out"])
        one = its[its.measures == "broadcasts"].loc[place]
        rows.append(
            [
                title(*place),
                words.interval(row["us"], row["half_us"], "µs"),
                words.interval(memory.kb[place], memory.half_kb[place], "kB"),
                saturated(one.to_dict()),
                per_push(row["variant"], one.bytes_per_delivery),
            ]
        )
    return "What one more reader costs", head, rows


def per_push(variant: str, count: float) -> str:
    """Bytes of a delivery; nothing for polls, whose responses have many messages when the server is saturated."""
    return words.size(count) if not VARIANTS[variant].polls and count == count else ""


def points(summary: pd.DataFrame) -> Numbers:
    """One row per number of readers."""
    head = [
        *("transport", "readers", "CPU per broadcast ms", "per delivery µs", "median ms", "last ms"),
        *("a + b N, fitted to the CPU: last ms", "readers' process, share of a core"),
        *("waited for a CPU, share of the time", ""),
    ]
    slopes = crowds.deliveries(summary).set_index(crowds.KEYS)
    rows = []
    for row in crowds.points(summary).to_dict("records"):
        place = (row["variant"], row["fan_out"])
        polls = VARIANTS[row["variant"]].polls
        fitted = "" if polls else cell(crowds.model(slopes.loc[place]).last_ms(row["readers"]))
        measured = [cell(row[name]) for name in ("cpu_ms", "delivery_us", "median_ms", "last_ms")]
        shares = (cell(row[name]) for name in ("readers_share", "starved_share"))
        note = starved() if row["starved"] else limiting() if row["limited"] else ""
        rows.append([title(*place), f"{row['readers']:,.0f}", *measured, fitted, *shares, note])
    return "Each number of readers", head, rows


def starved() -> str:
    """Why a point has no numbers."""
    return "the server or the readers waited for a CPU: not used"


def limiting() -> str:
    """Why a point has no delays."""
    return "the readers were the limit: no delays"


STORM = {
    "storm_readers": "readers",
    "storm_listens_ms": "server listens again after ms",
    "storm_median_ms": "half are back after ms",
    "storm_last_ms": "all are back after ms",
    "storm_attempts": "attempts",
    "storm_refused": "refused",
    "storm_failed": "failed",
    "storm_took_median_ms": "connecting took ms, median",
    "storm_took_last_ms": "... at most",
    "storm_peak_share": "peak of the server's CPU, of a core",
}


def storms(summary: pd.DataFrame) -> Numbers:
    """One row with a backoff, and one without."""
    its = summary[summary.measures == "storm"].to_dict("records")
    rows = [[backoff(row["backoff"]), *(cell(row[name]) for name in STORM)] for row in its]
    return "A storm: the server is killed and started again", ["readers come back", *STORM.values()], rows


def cell(value: float) -> str:
    """Three digits that matter; nothing for what is not known."""
    if value != value:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
