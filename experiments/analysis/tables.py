"""From runs to tables: one row per delivery, per run, and per condition, as pandas frames.

A number about one condition is first made per run; what is shown is the mean over the runs, without suspect ones.
Beside it stand two ends, `low` and `high`, which mean different things:

- *One session*, that is one sitting of `make compare`: the smallest and the largest run, because runs differ more
  from each other than messages within a run do; for quantiles a 95 % interval from order statistics. Both know
  nothing of what another session would find.
- *Several sessions*, one value of each: the 95 % interval in which another session's value lies
  (`statistics.another_session`).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.statistics import another_session, quantile
from experiments.analysis.theory import Polling, Push
from experiments.design import CONDITION_COLUMNS, Condition

TCP_IP_BYTES = 52
"""Headers of one segment, as Linux sends them: IPv4 20 (RFC 791), TCP 20 (RFC 9293), timestamps 12 (RFC 7323)."""

P99_LEAST = 500
"""A 99th percentile of fewer messages would rest on fewer than five of them."""


INTERVALS = tuple(
    f"{stem}{{}}{unit}"
    for stem, unit in (
        *(("delay_mean", "_ms"), ("delay_p50", "_ms"), ("delay_p95", "_ms"), ("delay_p99", "_ms")),
        *(("bytes_per_message", ""), ("bytes_per_minute", ""), ("requests_per_message", "")),
        *(("setup_bytes", ""), ("first_message", "_ms")),
    )
)
"""Columns of the summary that have ends beside them: `delay_mean{}_ms` with nothing, `_low` or `_high` in it."""


CROWD = ("step_", "storm_", "saturated_", "bytes_per_delivery")
"""How columns begin that only runs with growing or reconnecting crowds have."""


@dataclass(frozen=True)
class Table:
    """What a figure is drawn from. `summary` holds the conditions of one question, `runs` their runs.

    `sessions`: the same as `summary`, of each session by itself, with a column `session`; empty if there is only one.
    """

    summary: pd.DataFrame
    runs: pd.DataFrame
    deliveries: pd.DataFrame
    sessions: pd.DataFrame = field(default_factory=pd.DataFrame)


def table(runs: pd.DataFrame, deliveries: pd.DataFrame) -> Table:
    """All tables of these runs."""
    sessions = by_session(runs, deliveries)
    return Table(summarise(runs, deliveries, sessions), runs, deliveries, sessions)


def of_question(conditions: Iterable[Condition], whole: Table) -> Table:
    """What belongs to these conditions; all deliveries, which are many, stay where they are."""
    conditions = list(conditions)
    sessions = of(conditions, whole.sessions) if len(whole.sessions) else whole.sessions
    return Table(of(conditions, whole.summary), of(conditions, whole.runs), whole.deliveries, sessions)


def runs_frame(results: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per run: its name, condition, window, seed, whether it is suspect and why, and all its metrics."""
    rows = [
        {
            "run": result["run"],
            **result["condition"],
            "variant": Condition(**result["condition"]).variant,
            "repeat": result["repeat"],
            "window_s": result["window_s"],
            "seed": result["seed"],
            "started_utc": result["started_utc"],
            "suspect": bool(result["suspect"]),
            "suspect_because": "; ".join(result["suspect"]),
            "tries": result.get("tries", 1),
            **result["metrics"],
        }
        for result in results
    ]
    return pd.DataFrame(rows).sort_values([*CONDITION_COLUMNS, "repeat"], ignore_index=True)


def deliveries_frame(results: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per reader and message: run, client, message, and the five times in ms since the window began."""
    frames = [pd.DataFrame({"run": result["run"], **result["deliveries"]}) for result in results]
    frames = [frame for frame in frames if len(frame)]
    columns = ["run", "client", "message", "due_ms", "sent_ms", "published_ms", "written_ms", "received_ms"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def of(conditions: Iterable[Condition], frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of `frame` that belong to these conditions, in the conditions' order."""
    wanted = pd.DataFrame([vars(condition) for condition in dict.fromkeys(conditions)])
    return wanted.merge(frame, on=list(wanted.columns), how="inner")


def prediction(condition: Condition, gap_s: float | None) -> Polling | Push:
    """The formula for a condition. The gap of a poller is its pause, the round trip and the processing measured."""
    down_s = condition.one_way_delay_ms / 1000
    if not condition.polls:
        return Push(down_s)
    nominal_s = condition.pause_s + 2 * down_s
    gap_s = max(gap_s or nominal_s, nominal_s, 1e-6)
    return Polling(condition.rate_hz, gap_s, condition.hold_s, down_s, condition.heartbeat_hz)


def summarise(runs: pd.DataFrame, deliveries: pd.DataFrame, sessions: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row per condition; without suspect runs, unless a condition has no other (then `suspect` is True).

    `sessions`: what `by_session` makes of the same runs; what is between them goes into the ends.
    """
    rows = _rows(runs, deliveries)
    if sessions is None:
        sessions = by_session(runs, deliveries)
    rows["sessions"] = 1
    if len(sessions):
        ends = [name.format(end) for name in INTERVALS for end in ("_low", "_high")]
        rows[ends] = rows[ends].astype(float)
        sound = sessions[~sessions.suspect]
        its = dict(iter(sound.groupby(list(CONDITION_COLUMNS), sort=False)))
        for i, key in enumerate(rows[list(CONDITION_COLUMNS)].itertuples(index=False, name=None)):
            part = its.get(key, sessions.iloc[:0])
            rows.loc[i, "sessions"] = len(part)
            for name in INTERVALS:
                low, high = another_session(part[name.format("")].dropna().to_list())
                value = rows.loc[i, name.format("")]
                # The value is an arithmetic mean, the interval's centre a geometric one.
                rows.loc[i, name.format("_low")] = min(low, value)
                rows.loc[i, name.format("_high")] = max(high, value)
    return _with_spreads(rows)


def by_session(runs: pd.DataFrame, deliveries: pd.DataFrame) -> pd.DataFrame:
    """One row per session and condition; empty if there is one session only."""
    if "session" not in runs or runs.session.nunique() < 2:
        return pd.DataFrame()
    parts = [_rows(its, deliveries).assign(session=session) for session, its in runs.groupby("session")]
    return pd.concat(parts, ignore_index=True)


def _rows(runs: pd.DataFrame, deliveries: pd.DataFrame) -> pd.DataFrame:
    deliveries = deliveries[deliveries.run.isin(runs.run)]
    delays = deliveries.assign(
        delay_ms=deliveries.received_ms - deliveries.due_ms,
        way_in_ms=deliveries.published_ms - deliveries.due_ms,
        to_wire_ms=deliveries.written_ms - deliveries.published_ms,
        from_wire_ms=deliveries.received_ms - deliveries.written_ms,
    )
    rows, places = [], delays.groupby("run").indices
    for key, every in runs.groupby(list(CONDITION_COLUMNS), sort=False):
        condition = Condition(**dict(zip(CONDITION_COLUMNS, key, strict=True)))
        its = every if every.suspect.all() else every[~every.suspect]
        its_places = [places[run] for run in its.run if run in places]
        rows.append(_row(condition, every, its, delays.iloc[np.concatenate(its_places) if its_places else []]))
    return pd.DataFrame(rows)


def _row(condition: Condition, every: pd.DataFrame, its: pd.DataFrame, delays: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {
        **asdict(condition),
        "variant": condition.variant,
        "hold_s": condition.hold_s,
        "undeliverable": condition.undeliverable,
        "runs": len(its),
        "suspect_runs": int(every.suspect.sum()),
        "suspect": bool(every.suspect.all()),
        "window_s": its.window_s.mean(),
        "seconds": its.span_s.sum(),
    }
    for name in ("published", "deliveries", "connections", "requests", "empty", "messages"):
        row[name] = int(its[name].sum())
    for name in ("missing", "duplicates"):  # of all runs: one that lost a message is suspect, but it did lose it
        row[name] = int(every[name].sum())
    row |= _delays(its, delays)
    row |= _bytes(its, condition)
    if condition.measures != "deliveries":  # readers that only count do not count bytes
        row |= {name: math.nan for name in row if name.endswith(("_per_message", "_low", "_high", "_per_minute"))}
    row |= {name: its[name].mean() for name in its.columns if name.startswith(CROWD)}
    seconds = its.window_s.sum()
    row["segments_up"], row["segments_down"] = its.segments_up.sum(min_count=1), its.segments_down.sum(min_count=1)
    row["segments_per_message"] = _ratio(row["segments_up"] + row["segments_down"], row["deliveries"])
    row["bytes_per_message_with_tcp_ip"] = (
        row["bytes_per_message"] + TCP_IP_BYTES * row["segments_per_message"]
        if row["segments_per_message"]
        else math.nan
    )
    row["server_cpu_ms_per_s"] = its.server_cpu_ms.sum() / seconds
    row["server_ms"] = its.server_ms.mean()
    row["server_rss_mb"] = its.server_rss_bytes.mean() / 2**20
    row["late_joiners_missing"] = int(its.late_joiners_missing.sum())
    row["first_message_ms"] = its.first_message_ms.mean()
    row["first_message_low_ms"], row["first_message_high_ms"] = its.first_message_ms.min(), its.first_message_ms.max()
    return row | _theory(condition, its, row)


def _delays(its: pd.DataFrame, delays: pd.DataFrame) -> dict[str, Any]:
    """The mean over runs and their range; quantiles over all; the three parts of a delay."""
    values = np.sort(delays.delay_ms.dropna().to_numpy())
    # Readers of one message are not independent of each other: it is messages that make an interval narrow.
    messages = len(delays[["run", "message"]].drop_duplicates())
    per_run = delays.groupby("run").delay_ms.mean()
    row: dict[str, Any] = {
        "delay_mean_ms": per_run.mean(),
        "delay_mean_low_ms": per_run.min(),
        "delay_mean_high_ms": per_run.max(),
    }
    for percent in (50, 95, 99):
        enough = len(values) and messages >= (P99_LEAST if percent == 99 else 1)
        low, value, high = quantile(values, percent / 100, messages) if enough else (math.nan,) * 3
        row[f"delay_p{percent}_ms"] = value
        row[f"delay_p{percent}_low_ms"], row[f"delay_p{percent}_high_ms"] = low, high
    for part in ("way_in_ms", "to_wire_ms", "from_wire_ms"):
        row[part] = delays[part].mean()
    return row


def _bytes(its: pd.DataFrame, condition: Condition) -> dict[str, Any]:
    """TCP payload bytes per delivered message, and per reader and minute.

    What is not payload is divided by the messages that were due in the window, times readers, and not by those that the
    window's polls happened to bring: that would add the chance of where the window begins between two polls.
    """
    up, down = its.bytes_up.sum(), its.bytes_down.sum()
    due = its.published * condition.clients
    payload = _ratio(its.get("down_payload_bytes", pd.Series([0.0])).sum(), its.messages.sum())
    categories = [
        name for name in its.columns
        if name.startswith(("up_", "down_")) and name.endswith("_bytes") and name != "down_payload_bytes"
    ]  # fmt: skip
    overhead = its[categories].sum(axis=1)
    per_run = payload + _ratio(overhead, due)
    per_minute = 60 * _ratio(its.bytes_up + its.bytes_down, its.span_s)
    requests = _ratio(its.requests, due)
    return {
        "bytes_up": int(up),
        "bytes_down": int(down),
        "bytes_per_message": payload + _ratio(overhead.sum(), due.sum()),
        "bytes_per_message_low": per_run.min(),
        "bytes_per_message_high": per_run.max(),
        "bytes_per_minute": _ratio(60 * (up + down), its.span_s.sum()),
        "bytes_per_minute_low": per_minute.min(),
        "bytes_per_minute_high": per_minute.max(),
        "payload_bytes_per_message": payload,
        "requests_per_message": _ratio(its.requests.sum(), due.sum()),
        "requests_per_message_low": requests.min(),
        "requests_per_message_high": requests.max(),
        "empty_share": _ratio(its["empty"].sum(), its.requests.sum()),
        **{name: its[name].mean() for name in its.columns if name.startswith("setup_")},
        "setup_bytes_low": its.setup_bytes.min(),
        "setup_bytes_high": its.setup_bytes.max(),
        "down_payload_bytes_per_message": payload,
        **{f"{name}_per_message": _ratio(its[name].sum(), due.sum()) for name in categories},
    }


def _theory(condition: Condition, its: pd.DataFrame, row: Mapping[str, Any]) -> dict[str, Any]:
    """What the formulas say, and how far the measurement is from it."""
    if condition.clients == 0 or condition.undeliverable or condition.measures != "deliveries":
        return {}
    gap_s = its.gap_s.mean() if condition.polls else math.nan
    model = prediction(condition, gap_s)
    theory: dict[str, Any] = {"gap_s": gap_s}
    if isinstance(model, Polling):
        theory["processing_ms"] = 1000 * (gap_s - condition.pause_s) - 2 * condition.one_way_delay_ms
        theory["theory_empty_share"] = model.empty_share
    if condition.rate_hz == 0:
        return theory
    theory["theory_delay_mean_ms"] = 1000 * model.mean_delay_s
    # What is not the transport's doing is measured, and is no part of the formula.
    theory["harness_ms"] = row["way_in_ms"] + row["from_wire_ms"] - condition.one_way_delay_ms
    off_ms = row["delay_mean_ms"] - theory["theory_delay_mean_ms"]
    theory["residual_delay_ms"] = off_ms
    if theory["theory_delay_mean_ms"] >= 1:  # below, a share of it would be a share of next to nothing
        theory["residual_delay_percent"] = _percent(off_ms, theory["theory_delay_mean_ms"])
    theory["unexplained_delay_ms"] = off_ms - theory["harness_ms"]
    payload = row["payload_bytes_per_message"]
    if isinstance(model, Polling):
        expected = model.requests_hz / model.rate_hz
        theory["theory_requests_per_message"] = expected
        theory["residual_requests_percent"] = _percent(row["requests_per_message"] - expected, expected)
        theory["cycle_bytes"] = (its.cycle_bytes * its.requests).sum() / its.requests.sum()
        theory["theory_bytes_per_message"] = model.bytes_per_message(payload, theory["cycle_bytes"])
    elif condition.kind.framing_bytes:
        theory["framing_bytes"] = condition.kind.framing_bytes(round(payload))
        theory["theory_bytes_per_message"] = payload + theory["framing_bytes"]
    if "theory_bytes_per_message" in theory:
        off = row["bytes_per_message"] - theory["theory_bytes_per_message"]
        theory["residual_bytes_percent"] = _percent(off, theory["theory_bytes_per_message"])
    return theory


def _with_spreads(rows: pd.DataFrame) -> pd.DataFrame:
    """Half of what lies between the ends, beside each difference from theory; NaN where one run alone has no ends."""

    def half(name: str) -> "pd.Series[float]":
        between = rows[name.format("_high")] - rows[name.format("_low")]
        return (between / 2).where((rows.runs > 1) & rows[f"theory_{name.format('')}"].notna())

    if "theory_delay_mean_ms" in rows:
        rows["spread_delay_ms"] = half("delay_mean{}_ms")
    for what in ("requests", "bytes"):
        if f"theory_{what}_per_message" in rows:
            name = f"{what}_per_message"
            rows[f"spread_{what}_percent"] = 100 * half(name + "{}") / rows[name].where(rows[name] != 0)
    return rows


def _ratio(a: Any, b: Any) -> Any:
    if isinstance(b, pd.Series):
        return a / b.where(b != 0)
    return a / b if b else math.nan


def _percent(off: float, of: float) -> float:
    return 100 * off / of if of else math.nan
