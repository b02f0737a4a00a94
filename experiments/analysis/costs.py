"""What a transport costs the server: memory per open connection, CPU time per response or push."""

import math

import numpy as np
import pandas as pd

from experiments.analysis.statistics import student_t
from experiments.variants import VARIANTS


def cpu(runs: pd.DataFrame) -> pd.DataFrame:
    """CPU time of a nearly idle server in ms per response (polling) or push, per variant.

    Least squares over all runs that are not suspect, of CPU ms per second on: 1, messages published per second, and
    per variant the responses or pushes per second, those to the probe included. `half_ms` is 95 % of Student's t.
    NaN for a variant without such runs, and for all of them if there are too few runs.
    """
    runs = runs[~runs.suspect]
    readers = np.where(runs.clients > 0, runs.clients + 1, 0) / np.maximum(runs.clients, 1)
    shared = [np.ones(len(runs)), runs.rate_hz.to_numpy(dtype=float)]
    its = {}
    for variant, kind in VARIANTS.items():
        events = runs.requests if kind.polls else runs.messages
        per_second = np.where(runs.variant == variant, events * readers / runs.window_s, 0.0)
        if per_second.any():
            its[variant] = per_second
    ms, half_ms = dict.fromkeys(VARIANTS, math.nan), dict.fromkeys(VARIANTS, math.nan)
    freedom = len(runs) - len(shared) - len(its)
    if freedom >= 1:
        design = np.column_stack([*shared, *its.values()])
        y = (runs.server_cpu_ms / runs.window_s).to_numpy(dtype=float)
        found, *_ = np.linalg.lstsq(design, y, rcond=None)
        rest = y - design @ found
        errors = np.sqrt(np.diag(np.linalg.pinv(design.T @ design)) * float(rest @ rest) / freedom)
        ms |= dict(zip(its, found[len(shared) :], strict=True))
        half_ms |= dict(zip(its, student_t(freedom) * errors[len(shared) :], strict=True))
    return pd.DataFrame({"variant": list(VARIANTS), "ms": ms.values(), "half_ms": half_ms.values()})


def memory_kb(summary: pd.DataFrame, few: int, many: int) -> "pd.Series[float]":
    """Kilobytes (1,000 bytes) of the server's resident memory per reader, between `few` and `many`, by variant."""
    rss_mb = summary.pivot_table(index="variant", columns="clients", values="server_rss_mb")
    return ((rss_mb[many] - rss_mb[few]) * 2**20 / 1000 / (many - few)).reindex(list(VARIANTS))


def memory_spread_kb(runs: pd.DataFrame, few: int, many: int) -> "pd.Series[float]":
    """Half the range of that over runs, of both ends together; NaN for a single run."""

    def half(rss: "pd.Series[float]") -> float:
        return (rss.max() - rss.min()) / 2 if len(rss) > 1 else math.nan

    halves = runs[~runs.suspect].groupby(["variant", "clients"]).server_rss_bytes.agg(half).unstack()
    return (halves.sum(axis=1, skipna=False) / 1000 / (many - few)).reindex(list(VARIANTS))
