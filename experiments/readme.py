"""Writes what the reference comparison says into the README, so that no number there is typed by hand."""

from pathlib import Path

import pandas as pd

from experiments import style
from experiments.questions import QUESTIONS
from experiments.questions.rate import TRANSPORTS, cpu_per_delivery
from experiments.report import of, tables
from experiments.tables import Table, summarise

BEGIN, END = "<!-- from results/reference: begin -->\n", "<!-- from results/reference: end -->\n"


def write(readme: Path, folder: Path) -> None:
    """Replace what stands between the two marks in `readme`."""
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(before + BEGIN + block(folder) + END + after)


def block(folder: Path) -> str:
    """The conclusions with their charts, and one table, as Markdown."""
    runs, deliveries = tables(folder)
    summary = summarise(runs, deliveries)
    parts = [f"\n{lines(summary, Table(summary, runs, deliveries))}\n"]
    for name, question in QUESTIONS.items():
        conclusion = question.conclusion(of(question.CONDITIONS, summary))
        parts.append(f"**{question.TITLE}.** {conclusion}.\n\n![{conclusion}](results/reference/figures/{name}.svg)\n")
    return "\n".join(parts) + "\n"


def lines(summary: pd.DataFrame, table: Table) -> str:
    """One row per transport."""
    costs = cpu_per_delivery(table).set_index("transport")
    head = (
        "| | mean delay, loopback | mean delay, 25 ms each way | bytes per message at 1/s, script | ... browser "
        "| bytes per silent minute, browser | server CPU per delivery |"
    )
    rows = [head, "|---|--:|--:|--:|--:|--:|--:|"]
    for transport in TRANSPORTS:
        its = summary[(summary.transport == transport) & (summary.clients > 0) & summary.pause_s.isin((0.0, 1.0))]
        library = its[its.client == "library"].set_index("one_way_delay_ms").delay_mean_ms
        raw = its[its.client == "raw"].set_index(["rate_hz", "headers"])
        cost = costs.loc[transport]
        cells = (
            style.title(transport, 1.0 if transport == "short_poll" else 0.0),
            style.seconds(library[0.0]),
            style.seconds(library[25.0]),
            style.size(raw.bytes_per_message[1.0, "library"]),
            style.size(raw.bytes_per_message[1.0, "browser"]),
            style.size(raw.bytes_per_minute[0.0, "browser"]),
            f"{cost.ms:.3f} ± {cost.half_ms:.3f} ms",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
