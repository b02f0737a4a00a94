"""What the report says besides the questions and claims, each sentence whole."""

from typing import Any

import pandas as pd

from experiments.analysis.sessions import Between
from experiments.report import words
from experiments.run.suspect import LIMITS, PROBE_OFF_MS, PROBE_RATIO, Limit


def blocked() -> str:
    """Instead of a count of missing messages, where the network lets nothing through on purpose."""
    return "blocked, as intended"


def missing(count: int, undeliverable: bool) -> str:
    """How many messages did not arrive."""
    return blocked() if undeliverable else str(count)


def one_session(between: Between | None) -> list[str]:
    """What the report of one session cannot know; `between`: what the sessions of the reference say, if it has them."""
    said = [
        "This is one session: one sitting of make compare. Its ranges and intervals come from within it, and do not "
        "cover what another session would find, even on this machine. Compare variants with each other, as ratios or "
        "differences; do not rely on an absolute number of milliseconds on loopback."
    ]
    if between:
        said.append(
            f"The reference comparison has {len(between.sessions)} sessions. Their mean delays on loopback differed by "
            f"{between.delay_percent:.0f} % (median over conditions and pairs of sessions), runs within a session by "
            f"{between.runs_percent:.0f} %, and delays as ratios to WebSocket's in the same session by "
            f"{between.ratio_percent:.0f} %. The interval from one session's runs held the mean of another session in "
            f"{between.within.inside} of {between.within.of} cases."
        )
    return said


def several_sessions(between: Between) -> list[str]:
    """How far the intervals of a comparison of several sessions can be relied on."""
    kept = ", ".join(f"{what} {kept.inside} of {kept.of} times" for what, kept in between.left_out.items() if kept.of)
    return [
        f"{len(between.sessions)} sessions at different times. Intervals are for one more session on this machine: "
        "Student's t over one value per session, on a log scale, at 95 %.",
        f"Checked by leaving out each session in turn and holding it against the interval from the others. It was "
        f"inside for {kept}.",
        *([few_sessions()] if len(between.sessions) < ENOUGH else []),
        f"On loopback, mean delays of two sessions differed by {between.delay_percent:.0f} % (median over conditions "
        f"and pairs of sessions), runs within a session by {between.runs_percent:.0f} %, delays as ratios to "
        f"WebSocket's in the same session by {between.ratio_percent:.0f} %. The interval from one session's runs held "
        f"another session's mean in {between.within.inside} of {between.within.of} cases.",
    ]


ENOUGH = 5
"""From so many sessions, the interval without one of them is not much wider than the one with all."""


def few_sessions() -> str:
    """What this check is worth with three or four sessions."""
    return (
        "With so few sessions this check is weak: the interval from one session less is several times wider than the "
        "one that is stated. The method itself was checked with made-up sessions."
    )


def limits() -> list[str]:
    """What makes a run suspect, one line for each limit."""
    return [
        *(limit_line(limit) for limit in LIMITS),
        f"the readers' median from the wire: more than {PROBE_RATIO:g} times the probe's, and more than "
        f"{PROBE_OFF_MS:g} ms above it",
    ]


def limit_line(limit: Limit) -> str:
    """`publisher behind schedule, p99: above 10 ms`."""
    if not limit.limit and limit.beyond == "above":
        return f"{limit.what}: any"
    return f"{limit.what}: {limit.beyond} {limit.limit:g} {limit.unit}".rstrip()


LEAST_PERCENT = 0.1
"""Counts hardly spread over runs at all; a difference from theory below this is not worth a sentence."""


def theory(rows: pd.DataFrame) -> list[str]:
    """How often theory and measurement agree, and where they do not: in delay, requests and bytes."""
    return [
        *agreement(rows, "Mean delay", "unexplained_delay_ms", "spread_delay_ms", "ms"),
        *agreement(rows, "Requests per message", "residual_requests_percent", "spread_requests_percent", "%"),
        *agreement(rows, "Bytes per message", "residual_bytes_percent", "spread_bytes_percent", "%"),
    ]


def agreement(rows: pd.DataFrame, what: str, off: str, spread: str, unit: str) -> list[str]:
    """At most one sentence, and a list where they differ by more than the spread."""
    judged = rows[rows[off].notna()] if off in rows else rows.iloc[:0]
    repeated = judged[judged[spread].notna()] if len(judged) else judged
    if judged.empty:
        return []
    if repeated.empty:
        return [f"{what}: each condition was run once, so there is no spread to compare with."]
    least = 0.0 if unit == "ms" else LEAST_PERCENT
    beyond = repeated[repeated[off].abs() > repeated[spread].clip(lower=least)]
    within, of = len(repeated) - len(beyond), len(repeated)
    if beyond.empty:
        return [f"{what}: theory and measurement agree within the spread in all {of} conditions that were repeated."]
    named = "; ".join(
        f"{condition(row._asdict())} ({getattr(row, off):+.2g} {unit}, spread ±{getattr(row, spread):.2g})"
        for row in beyond.itertuples()
    )
    return [
        f"{what}: theory and measurement agree within the spread in {within} of {of} conditions that were repeated. "
        f"The others: {named}."
    ]


def condition(row: dict[str, Any]) -> str:
    """The condition in a row of the summary, as far as it tells the conditions of one question apart."""
    title = words.title(row["variant"], row["pause_s"])
    headers = "" if row["client"] == row["headers"] == "library" else f", {row['headers']} headers"
    return (
        f"{title} at {row['rate_hz']:g}/s, {row['one_way_delay_ms']:g} ms each way, {words.client(row['client'])} "
        f"readers{headers}{words.network(row['upgrades'])}"
    )
