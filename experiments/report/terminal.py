"""What `make compare` says on the terminal: each sentence whole, and the summary as tables of at most 80 columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group
from rich.table import Table as Lines
from rich.text import Text

from experiments.analysis import costs, crowds
from experiments.design import Run
from experiments.report import crowds as words_of_crowds
from experiments.report import loads, sentences, words


def nothing_fits(size: str) -> str:
    return f"a {size} comparison is too short for any of this: leave --{size} away"


def not_resumed(name: str, differences: Sequence[str]) -> str:
    return f"{name} is not resumed: {'; '.join(differences)}"


def resumed(name: str, finished: int, total: int) -> str:
    return f"resuming {name}: {finished} of {total} runs are there"


def time_left(left_s: float) -> str:
    return f"about {int(left_s) // 60}:{int(left_s) % 60:02} left"


def failed(run: Run, why: str) -> str:
    return f"[red]failed[/]  {condition(run)}: {why}"


def suspect(run: Run, reasons: Sequence[str]) -> str:
    return f"[yellow]suspect[/] {condition(run)}: {'; '.join(reasons)}"


def done(run: Run, metrics: dict[str, Any]) -> str:
    """What came of a run."""
    c = run.condition
    if c.measures == "cpu":
        return f"[green]ok[/]  {condition(run)}: {metrics['server_cpu_share']:.0%} of a core"
    if c.measures == "broadcasts":
        return (
            f"[green]ok[/]  {condition(run)}: {metrics['deliveries']} deliveries of {metrics['published']} broadcasts"
        )
    if c.measures == "storm":
        return f"[green]ok[/]  {condition(run)}: all back after {words.seconds(metrics['storm_last_ms'])}"
    if c.measures == "memory" or not c.clients:
        return f"[green]ok[/]  {condition(run)}"
    if c.undeliverable:
        return f"[green]ok[/]  {condition(run)}: {sentences.blocked()}"
    return f"[green]ok[/]  {condition(run)}: {metrics['deliveries']} deliveries, {metrics['missing']} missing"


def not_measured(failure: str) -> str:
    return f"[red]not measured[/]: {failure}; the same command tries again"


def report_is_at(path: Path | str) -> str:
    return f"report: {path}"


def took(seconds: float) -> str:
    return f"took {seconds:.0f} s"


def condition(run: Run) -> str:
    """A run's condition in one line."""
    c = run.condition
    pause = f", every {c.pause_s:g} s" if c.pause_s else ""
    readers = f"{c.clients} {c.client} reader{'s' * (c.clients != 1)}" if c.clients else "publisher alone"
    headers = (", browser's headers" if c.headers == "browser" else "") + words.network(c.upgrades)
    if c.measures == "memory":
        return f"{c.variant}, memory of up to {c.clients} readers{'' if c.tap else ', without the tap'}"
    if c.measures == "broadcasts":
        return f"{c.variant}{pause}, broadcasts to up to {c.clients:,} readers, by {words_of_crowds.written(c.fan_out)}"
    if c.measures == "storm":
        return f"{c.variant}, a restart with {c.clients:,} readers, {words_of_crowds.backoff(c.backoff)}"
    tap = "" if c.tap else ", without the tap"
    tap += ", a task each" if c.measures == "cpu" and c.clients and c.fan_out == "tasks" else ""
    return f"{c.variant}{pause}, {c.rate_hz:g} messages/s, {c.one_way_delay_ms:g} ms each way, {readers}{headers}{tap}"


def overview(summary: pd.DataFrame) -> Group:
    """The summary, a table for each question."""
    parts: list[Lines | Text] = []
    for name, rows in summary.groupby("question", sort=False):
        measures = set(rows.measures)
        if "cpu" in measures:
            for fan_out, how in loads.FAN_OUTS.items():
                its = costs.load(rows, fan_out=fan_out)
                parts.append(Text(f"\n{name}: server CPU per response or push, {how}", style="bold"))
                parts.append(cost(its.assign(us=1000 * its.ms, half_us=1000 * its.half_ms), "us", "half_us", "µs"))
        elif "memory" in measures:
            parts.append(Text(f"\n{name}: server memory per reader", style="bold"))
            parts.append(cost(costs.memory(rows), "kb", "half_kb", "kB"))
        elif "broadcasts" in measures:
            parts.append(Text(f"\n{name}: server CPU per delivery, or per short poll", style="bold"))
            parts.append(delivery_costs(crowds.largest(rows)))
        else:
            parts.append(Text(f"\n{name}", style="bold"))
            parts.append(delivered(rows[rows.clients > 0]))
    return Group(*parts)


def plain() -> Lines:
    """A table without columns yet."""
    return Lines(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))


def cost(rows: pd.DataFrame, value: str, half: str, unit: str) -> Lines:
    """One line per variant that was measured."""
    lines = plain()
    lines.add_column("variant", no_wrap=True)
    lines.add_column("95 % interval", justify="right", no_wrap=True)
    for row in rows.dropna().to_dict("records"):
        lines.add_row(words.title(row["variant"]), words.interval(row[value], row[half], unit))
    return lines


def delivery_costs(rows: pd.DataFrame) -> Lines:
    """One line per variant and fan-out that was measured."""
    lines = plain()
    lines.add_column("variant", no_wrap=True)
    lines.add_column("95 % interval", justify="right", no_wrap=True)
    for row in crowds.deliveries(rows).to_dict("records"):
        lines.add_row(
            words_of_crowds.title(row["variant"], row["fan_out"]),
            words.interval(row["us"], row["half_us"], "µs"),
        )
    return lines


def delivered(rows: pd.DataFrame) -> Lines:
    """One line per condition."""
    lines = plain()
    blocking = bool((rows.upgrades != "pass").any())
    lines.add_column("variant", no_wrap=True)
    names = ("rate", "one way", "headers", "missing", "delay", "bytes", "suspect")
    for name in ("upgrade", *names) if blocking else names:
        lines.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        silent = not row["rate_hz"]
        network = [row["upgrades"]] if blocking else []
        per_minute = f"{words.size(row['bytes_per_minute'])}/min"
        lines.add_row(
            words.title(row["variant"], row["pause_s"]),
            *network,
            "silence" if silent else words.rate(row["rate_hz"]),
            f"{row['one_way_delay_ms']:g} ms",
            row["headers"],
            "" if silent else "blocked" if row["undeliverable"] else str(row["missing"]),
            words.seconds(row["delay_mean_ms"]) if row["deliveries"] else "",
            per_minute if silent or not row["messages"] else words.size(row["bytes_per_message"]),
            "yes" if row["suspect"] else "",
        )
    return lines
