"""What a transport costs the server: memory per open connection, CPU time per response or push."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.statistics import another_session, student_t
from experiments.design import CONDITION_COLUMNS, FanOut
from experiments.variants import VARIANTS

Column = np.ndarray[tuple[int], np.dtype[np.float64]]


def load(frame: pd.DataFrame, tap: bool = True, fan_out: FanOut = "hub") -> pd.DataFrame:
    """CPU time of a busy server in ms per response (polling) or push, per variant: `variant`, `ms`, `half_ms`.

    `frame` holds runs that measure CPU, or their summary. Least squares, without suspect runs, of CPU ms per second
    on: 1, messages published per second, and per variant the responses or pushes per second. Runs without readers
    tell what publishing costs. `half_ms` is 95 % of Student's t; of several sessions, how far the interval for another
    one reaches, to its longer side. `tap`: of servers with the tap, or without it. `fan_out`: of servers that write so.
    NaN for a variant without such runs, and for all of them if there are too few runs.
    """
    its = (tap, fan_out)
    return over_sessions(_load(frame, *its), [_load(part, *its) for part in sessions(frame)], "ms")


def _load(frame: pd.DataFrame, tap: bool, fan_out: FanOut) -> pd.DataFrame:
    """The slope of what the runs of each condition add up to, as in a summary; the interval of the runs themselves."""
    rows = _with_seconds(frame[(frame.measures == "cpu") & ~frame.suspect])
    columns = ["server_cpu_ms", "published", "requests", "messages", "seconds"]
    together = rows.groupby([*CONDITION_COLUMNS, "variant"], as_index=False)[columns].sum()
    return _slopes(together, tap, fan_out).assign(half_ms=_slopes(rows, tap, fan_out).half_ms)


def _slopes(rows: pd.DataFrame, tap: bool, fan_out: FanOut) -> pd.DataFrame:
    seconds, cpu_ms = rows.seconds, rows.server_cpu_ms
    shared = [np.ones(len(rows)), (rows.published / seconds).to_numpy(dtype=float)]
    its = {}
    for (variant, tapped, how), group in rows[rows.clients > 0].groupby(["variant", "tap", "fan_out"]):
        events = group.requests if VARIANTS[str(variant)].polls else group.messages
        per_second = (events / seconds.loc[group.index]).reindex(rows.index, fill_value=0.0)
        its[variant, bool(tapped), how] = per_second.to_numpy(dtype=float)
    found = _least_squares(shared, its, (cpu_ms / seconds).to_numpy(dtype=float))
    wanted = [found.get((variant, tap, fan_out), UNKNOWN) for variant in VARIANTS]
    return pd.DataFrame({"variant": list(VARIANTS), "ms": [ms for ms, _ in wanted], "half_ms": [h for _, h in wanted]})


def idle_push(row: "pd.Series[float]") -> float:
    """All CPU of a server that has little to do, in ms per push, from a row of the summary: no cost to size it by.

    Each message wakes the process up, is published and is pushed to the readers and the probe; that is all in it.
    """
    pushes_hz = row.rate_hz * (row.clients + 1)
    return float(row.server_cpu_ms_per_s / pushes_hz)


def memory(frame: pd.DataFrame, tap: bool = True, fan_out: FanOut = "hub") -> pd.DataFrame:
    """Kilobytes (1,000 bytes) of the server's resident memory per reader, per variant: `variant`, `kb`, `half_kb`.

    `frame` holds runs that measure memory, or their summary. Least squares, without suspect runs, of memory on the
    number of readers at each step, every run with a constant of its own. NaN for a variant without such runs. `half_kb`
    `tap` and `fan_out`: as for `load`.
    """
    its = (tap, fan_out)
    return over_sessions(_memory(frame, *its), [_memory(part, *its) for part in sessions(frame)], "kb")


def _memory(frame: pd.DataFrame, tap: bool, fan_out: FanOut) -> pd.DataFrame:
    kept = (frame.tap == tap) & (frame.fan_out == fan_out)
    rows = frame[(frame.measures == "memory") & ~frame.suspect & kept]
    found = {str(variant): slope_kb(group) for variant, group in rows.groupby("variant")}
    wanted = [found.get(variant, UNKNOWN) for variant in VARIANTS]
    return pd.DataFrame({"variant": list(VARIANTS), "kb": [kb for kb, _ in wanted], "half_kb": [h for _, h in wanted]})


def tap_share(cost: Callable[[pd.DataFrame, bool, FanOut], pd.DataFrame], frame: pd.DataFrame) -> tuple[float, float]:
    """What the tap adds to a WebSocket's cost (`load` or `memory`), and how far its 95 % interval reaches.

    A server without the tap has no hub, so both sides are of servers with a task per reader. NaN if they lack one.
    Within a session both sides have errors of their own; between sessions it is the difference that varies.
    """
    parts = []
    for part in sessions(frame) or [frame]:
        (on, on_half), (off, off_half) = (
            cost(part, tap, "tasks").set_index("variant").loc["websocket"].to_list() for tap in (True, False)
        )
        parts.append((on - off, math.hypot(on_half, off_half)))
    if len(parts) == 1:
        return parts[0]
    differences = [difference for difference, _ in parts]
    if any(difference != difference for difference in differences):
        return UNKNOWN
    n = len(differences)
    return statistics.fmean(differences), student_t(n - 1) * statistics.stdev(differences) * math.sqrt(1 + 1 / n)


UNKNOWN = (math.nan, math.nan)


def sessions(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """The runs of each session, in their order; none if there is only one."""
    if "session" not in frame or frame.session.nunique() < 2:
        return []
    return [part for _, part in frame.groupby("session")]


def _with_seconds(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs, or a summary's rows, with the seconds that each is about, and the CPU in them."""
    if "runs" not in rows:
        return rows.assign(seconds=rows.window_s)
    seconds = rows.window_s * rows.runs
    return rows.assign(seconds=seconds, server_cpu_ms=rows.server_cpu_ms_per_s * seconds)


def over_sessions(
    whole: pd.DataFrame, parts: Sequence[pd.DataFrame], unit: str, keys: Sequence[str] = ("variant",)
) -> pd.DataFrame:
    """What was found in all runs, with the interval for another session if there are several.

    `keys`: the columns that name a row in the whole and in each session's part.
    """
    if not parts:
        return whole
    keys = [*keys]
    values = pd.concat([part.set_index(keys)[unit] for part in parts], axis=1)
    its = [values.loc[key] for key in whole.set_index(keys).index]
    ends = [another_session(row.dropna().to_list()) for row in its]
    halves = [max(high - value, value - low) for value, (low, high) in zip(whole[unit], ends, strict=True)]
    return whole.assign(**{f"half_{unit}": halves})


def slope_kb(runs: pd.DataFrame) -> tuple[float, float]:
    """Memory by the number of readers, and how far its interval reaches, of runs whose readers grow in steps."""
    numbers = [
        name.removesuffix("_rss_bytes")
        for name in runs.columns
        if name.startswith("step_") and name.endswith("_rss_bytes") and runs[name].notna().all()
    ]
    readers = runs[[f"{number}_readers" for number in numbers]].to_numpy(dtype=float)
    kb = runs[[f"{number}_rss_bytes" for number in numbers]].to_numpy(dtype=float) / 1000
    x, y = (values - values.mean(axis=1, keepdims=True) for values in (readers, kb))
    freedom = x.size - len(x) - 1
    if freedom < 1:
        return UNKNOWN
    slope = float((x * y).sum() / (x * x).sum())
    rest = y - slope * x
    return slope, student_t(freedom) * math.sqrt(float((rest * rest).sum()) / freedom / float((x * x).sum()))


def _least_squares(shared: Sequence[Column], its: Mapping[Any, Column], y: Column) -> dict[Any, tuple[float, float]]:
    """(coefficient, 95 % of Student's t) of each column of `its`; nothing if there are too few rows."""
    freedom = len(y) - len(shared) - len(its)
    if freedom < 1:
        return {}
    design = np.column_stack([*shared, *its.values()])
    found, *_ = np.linalg.lstsq(design, y, rcond=None)
    rest = y - design @ found
    errors = np.sqrt(np.diag(np.linalg.pinv(design.T @ design)) * float(rest @ rest) / freedom)
    half = student_t(freedom) * errors
    first = len(shared)
    return {name: (float(found[first + i]), float(half[first + i])) for i, name in enumerate(its)}
