"""Does a comparison make sense? Coarse limits, to notice what is broken and not what is noisy."""

import pandas as pd

from experiments.design import CONDITION_COLUMNS, Condition
from experiments.report import words

DELAY_OFF_MOST = 0.3
DELAY_OFF_ALWAYS_MS = 20.0
"""How far a mean delay may be from theory plus the measured share of the tools: a share of itself, or so many ms."""

COUNT_OFF_MOST_PERCENT = 35.0
"""How far requests and bytes per message may be from theory."""


def problems(summary: pd.DataFrame) -> list[str]:
    """What does not make sense, one line each; empty if everything does."""
    found = []
    for row in summary[summary.clients > 0].to_dict("records"):
        name = f"{row['question']}: {row['variant']} {row['pause_s']:g} s, {row['rate_hz']:g}/s, {row['headers']}"
        name += words.network(row["upgrades"])
        undeliverable = Condition(**{column: row[column] for column in CONDITION_COLUMNS}).undeliverable
        if row["duplicates"] or (row["missing"] and not undeliverable):
            found.append(f"{name}: {row['missing']} messages missing, {row['duplicates']} delivered more than once")
        if row["rate_hz"] and bool(row["deliveries"]) == undeliverable:
            found.append(f"{name}: {'something' if undeliverable else 'nothing'} was delivered")
        allowed_ms = max(DELAY_OFF_ALWAYS_MS, DELAY_OFF_MOST * row["delay_mean_ms"])
        if abs(row["unexplained_delay_ms"]) > allowed_ms:
            found.append(f"{name}: the mean delay is {row['unexplained_delay_ms']:+.1f} ms off theory and tools")
        found += [
            f"{name}: {what} per message are {row[f'residual_{what}_percent']:+.0f} % off theory"
            for what in ("requests", "bytes")
            if abs(row[f"residual_{what}_percent"]) > COUNT_OFF_MOST_PERCENT
        ]
    return found
