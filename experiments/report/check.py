"""Does a comparison make sense? The limits are coarse: they find what is broken, not what is noisy."""

import math

import pandas as pd

from experiments.report import sentences, words

DELAY_OFF_MOST = 0.3
DELAY_OFF_ALWAYS_MS = 20.0
"""How far a mean delay may be from theory plus the harness's measured share: a share of itself, or so many ms."""

COUNT_OFF_MOST_PERCENT = 35.0
"""How far requests and bytes per message may be from theory."""


def problems(summary: pd.DataFrame) -> list[str]:
    """What does not make sense, one line each; empty if everything does."""
    found = []
    for row in summary[summary.clients > 0].to_dict("records"):
        name = f"{row['question']}: {row['variant']} {row['pause_s']:g} s, {row['rate_hz']:g}/s, {row['headers']}"
        name += words.network(row["upgrades"])
        undeliverable = row["undeliverable"]
        if row["duplicates"] or (row["missing"] and not undeliverable):
            found.append(f"{name}: {row['missing']} messages missing, {row['duplicates']} delivered more than once")
        if undeliverable and row["deliveries"]:
            found.append(f"{name}: {row['deliveries']} messages were delivered where all should be blocked")
        if row["rate_hz"] and not undeliverable and not row["deliveries"]:
            found.append(f"{name}: nothing was delivered")
        allowed_ms = max(DELAY_OFF_ALWAYS_MS, DELAY_OFF_MOST * row["delay_mean_ms"])
        if abs(row.get("unexplained_delay_ms", math.nan)) > allowed_ms:
            found.append(f"{name}: the mean delay is {row['unexplained_delay_ms']:+.1f} ms off theory and harness")
        found += [
            f"{name}: {what} per message are {row[f'residual_{what}_percent']:+.0f} % off theory"
            for what in ("requests", "bytes")
            if abs(row.get(f"residual_{what}_percent", math.nan)) > COUNT_OFF_MOST_PERCENT
        ]
    return found


def sound(summary: pd.DataFrame) -> str:
    """What is said of a comparison that makes sense."""
    blocked = int(summary.undeliverable.sum())
    return f"{len(summary)} conditions make sense" + (f", {blocked} of them {sentences.blocked()}" if blocked else "")
