"""Writes what the reference comparison says into the README, so that no number there is typed by hand."""

from pathlib import Path

import pandas as pd

from experiments import claims
from experiments.analysis import costs
from experiments.analysis.tables import Table, of, summarise
from experiments.questions import QUESTIONS, load
from experiments.report import words
from experiments.report.report import tables
from experiments.variants import VARIANTS

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
    parts = [f"\n{lines(summary, costs.load(of(load.CONDITIONS, runs)))}\n"]
    for name, question in QUESTIONS.items():
        its = of(question.CONDITIONS, summary)
        if len(its) < len(set(question.CONDITIONS)):
            continue  # an older reference does not know this question
        conclusion = question.conclusion(its)
        parts.append(f"**{question.TITLE}.** {conclusion}.\n\n![{conclusion}](results/reference/figures/{name}.svg)\n")
    parts.append(f"**The note's claims.**\n\n{verdicts(Table(summary, runs, deliveries))}\n")
    return "\n".join(parts) + "\n"


def verdicts(table: Table) -> str:
    """One row per claim of the note."""
    rows = ["| claim | verdict | |", "|---|---|---|"]
    for claim in claims.CLAIMS:
        verdict = claims.judged(claim, table)
        rows.append(f"| {claim.TITLE} | **{verdict.word}** | {verdict.sentence} |")
    return "\n".join(rows)


def lines(summary: pd.DataFrame, cpu: pd.DataFrame) -> str:
    """One row per way."""
    head = (
        "| | mean delay, 25 ms each way | bytes per message at 1/s, script | ... browser "
        "| bytes per silent minute, browser | server CPU per answer or push |"
    )
    rows = [head, "|---|--:|--:|--:|--:|--:|"]
    cost = cpu.set_index("variant")
    for variant in VARIANTS:
        its = summary[(summary.variant == variant) & (summary.clients > 0) & summary.pause_s.isin((0.0, 1.0))]
        its = its[(its.clients <= 5) & (its.upgrades == "pass")]
        far = its[(its.client == "library") & (its.one_way_delay_ms == 25)].iloc[0]
        near = its[(its.client == "raw") & (its.one_way_delay_ms == 0)].set_index(["rate_hz", "headers"])
        cells = (
            words.title(variant, VARIANTS[variant].usual_pause_s),
            words.seconds(far.delay_mean_ms),
            words.size(near.bytes_per_message[1.0, "library"]),
            words.size(near.bytes_per_message[1.0, "browser"]),
            words.size(near.bytes_per_minute[0.0, "browser"]),
            words.interval(cost.ms[variant], cost.half_ms[variant], "ms"),
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
