"""What it costs to tell everybody: from runs that broadcast to more and more readers (`experiments.run.broadcast`).

The server's CPU for one broadcast is a + b N: a for publishing and waking up, b for each of N deliveries. So b is a
slope over the number of readers, and a quiet server's waking up is not in it. Where readers ask by themselves (short
polling), N is the number of responses in the time that a broadcast took.

A point at which the readers were the limit has no delays; one at which somebody waited for a CPU has no numbers.
"""

import math
from collections.abc import Callable
from itertools import count, takewhile
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis import costs
from experiments.analysis.statistics import student_t
from experiments.analysis.theory import Broadcast

KEYS = ["variant", "fan_out"]


def largest(frame: pd.DataFrame) -> pd.DataFrame:
    """Runs with crowds, or their summary, of the largest crowds alone: a comparison has crowds of one size."""
    crowds = frame[frame.measures.isin(("broadcasts", "storm"))]
    return crowds[crowds.clients == crowds.clients.max()]


def points(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per run and number of readers: `variant`, `fan_out`, `readers`, and what one broadcast took.

    `cpu_ms` of the server, `events` (deliveries, or responses to polls), `delivery_us` (the one by the other),
    `median_ms` and `last_ms` until the reader in the middle and the last one had it, `readers_share` of a core that
    the readers' busiest process used meanwhile, `starved_share` of that time for which somebody waited for a CPU.
    `limited`: the readers were the limit, and there are no delays. `starved`: nor is there any other number.
    """
    rows: list[dict[str, Any]] = []
    for run in frame[(frame.measures == "broadcasts") & ~frame.suspect].to_dict("records"):
        for place in takewhile(lambda place: run.get(f"step_{place}_readers", math.nan) > 0, count(1)):  # noqa: B023
            its = {name: math.nan if (value := run.get(f"step_{place}_{name}")) is None else value for name in STEP}
            cpu_ms, events = (its[name] / its["broadcasts"] for name in ("cpu_ms", "events"))
            rows.append(
                {name: run[name] for name in (*KEYS, "transport")}
                | {name: its[name] for name in ("readers", "median_ms", "last_ms", "readers_share", "starved_share")}
                | {
                    "cpu_ms": cpu_ms,
                    "events": events,
                    "delivery_us": 1000 * cpu_ms / events,
                    "limited": its["last_ms"] != its["last_ms"] and cpu_ms == cpu_ms,
                    "starved": cpu_ms != cpu_ms,
                }
            )
    return pd.DataFrame(rows, columns=POINT)


STEP = ("readers", "broadcasts", "events", "cpu_ms", "median_ms", "last_ms", "readers_share", "starved_share")
POINT = (
    *(*KEYS, "transport", "readers", "median_ms", "last_ms", "readers_share", "starved_share"),
    *("cpu_ms", "events", "delivery_us", "limited", "starved"),
)


def deliveries(frame: pd.DataFrame) -> pd.DataFrame:
    """CPU of the server in us per delivery (or response): `variant`, `fan_out`, `us`, `half_us`, `start_ms`.

    `frame` holds runs, or their summary. Least squares of the CPU of a broadcast on its events, without suspect runs,
    starved points, and readers who are alone. `start_ms` is a: what telling one reader costs beyond the delivery.
    `half_us` is 95 % of Student's t; of several sessions, how far the interval for another one reaches. NaN where there
    are too few points, or they don't tell whether a delivery costs anything.
    """
    its = _by_variant(frame, _slope, ("us", "half_us", "start_ms"))
    its.loc[its.us - its.half_us <= 0, ["us", "half_us", "start_ms"]] = math.nan
    return its


def memory(frame: pd.DataFrame) -> pd.DataFrame:
    """Kilobytes of the server's resident memory per reader: `variant`, `fan_out`, `kb`, `half_kb`, as above."""
    return _by_variant(frame, costs.slope_kb, ("kb", "half_kb"))


def model(row: "pd.Series[float]") -> Broadcast:
    """The formula with the slope in a row of `deliveries`."""
    return Broadcast(float(row.start_ms), float(row.us) / 1000)


def _by_variant(
    frame: pd.DataFrame, found: Callable[[pd.DataFrame], tuple[float, ...]], columns: tuple[str, ...]
) -> pd.DataFrame:
    """What is found in the runs of each variant and fan-out, with the interval for another session."""
    value = columns[0]

    def of(part: pd.DataFrame) -> pd.DataFrame:
        its = part[(part.measures == "broadcasts") & ~part.suspect]
        rows = [[*key, *found(group)] for key, group in its.groupby(KEYS, sort=False)]
        return pd.DataFrame(rows, columns=[*KEYS, *columns])

    return costs.over_sessions(of(frame), [of(part) for part in costs.sessions(frame)], value, KEYS)


def _slope(runs: pd.DataFrame) -> tuple[float, float, float]:
    """The slope is that of many readers, where the server hardly sleeps in between; the rest is a lone reader's.

    Times vary by a share of themselves, so points are weighted for equal relative errors: by the line itself, found
    again until it stays where it is, as weights of the points' own would favour those that are too low by chance.
    """
    its = points(runs).dropna(subset="cpu_ms")
    many = its[its.readers > 1]
    x, y = many.events.to_numpy(dtype=float), many.cpu_ms.to_numpy(dtype=float)
    freedom = len(x) - 2
    if freedom < 1:
        return math.nan, math.nan, math.nan
    line, fitted = np.column_stack([np.ones(len(x)), x]), y
    for _ in range(20):
        design, found = line / fitted[:, None], y / fitted
        (offset, slope), *_ = np.linalg.lstsq(design, found, rcond=None)
        fitted = np.maximum(line @ (offset, slope), 0.1 * y)
    rest = found - design @ (offset, slope)
    errors = np.sqrt(np.diag(np.linalg.pinv(design.T @ design)) * float(rest @ rest) / freedom)
    alone = its[its.readers == its.readers.min()]
    start_ms = float((alone.cpu_ms - slope * alone.events).mean())
    return 1000 * float(slope), 1000 * student_t(freedom) * float(errors[1]), start_ms
