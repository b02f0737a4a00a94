"""Writes what the reference comparison says into the README, so that no number there is typed by hand."""

from pathlib import Path

import pandas as pd

from experiments import claims, store
from experiments.analysis import costs
from experiments.analysis.tables import Table, of, table
from experiments.bench.table import markdown
from experiments.design import Size
from experiments.questions import QUESTIONS, latency, load
from experiments.report import recommend, words
from experiments.report.report import tables, unmeasured
from experiments.variants import VARIANTS

BEGIN, END = "<!-- from results/reference: begin -->\n", "<!-- from results/reference: end -->\n"
BENCH_BEGIN, BENCH_END = (f"<!-- from results/reference/bench.json: {where} -->\n" for where in ("begin", "end"))


def write(readme: Path, folder: Path) -> None:
    """Replace what stands between the marks in `readme`."""
    text = between(readme.read_text(), BEGIN, END, block(folder))
    if BENCH_BEGIN in text:
        text = between(text, BENCH_BEGIN, BENCH_END, bench_block(folder))
    readme.write_text(text)


def between(text: str, begin: str, end: str, new: str) -> str:
    """The same text with `new` between the two marks."""
    before, rest = text.split(begin)
    return before + begin + new + end + rest.split(end)[1]


def bench_block(folder: Path) -> str:
    """The tables of the benchmark, as Markdown."""
    return f"\n{markdown(store.read_json(folder / 'bench.json'))}\n"


def block(folder: Path) -> str:
    """Which transport to use, one table, and the conclusions with their charts, as Markdown."""
    whole, size = table(*tables(folder)), Size(**store.read_plan(folder)["size"])
    parts = [
        f"\n{advice(whole)}\n",
        f"{lines(whole.summary, of(load.CONDITIONS, whole.runs))}\n",
    ]
    for name, question in QUESTIONS.items():
        its = of(question.CONDITIONS, whole.summary)
        if unmeasured(question, size, its):
            continue  # an older reference does not know this question
        conclusion = question.conclusion(its)
        parts.append(f"**{question.TITLE}.** {conclusion}.\n\n![{conclusion}](results/reference/figures/{name}.svg)\n")
    parts.append(f"**The note's claims.**\n\n{verdicts(whole)}\n")
    return "\n".join(parts) + "\n"


def advice(whole: Table) -> str:
    """One point per situation."""
    return "\n".join(f"- {said.situation}: **{said.use}**. {said.why}" for said in recommend.advice(whole))


def verdicts(table: Table) -> str:
    """One row per claim of the note."""
    rows = ["| claim | verdict | |", "|---|---|---|"]
    for claim in claims.CLAIMS:
        verdict = claims.judged(claim, table)
        rows.append(f"| {claim.TITLE} | **{verdict.word}** | {verdict.sentence} |")
    return "\n".join(rows)


def lines(summary: pd.DataFrame, busy: pd.DataFrame) -> str:
    """One row per variant; `busy`: the runs that measure what a busy server spends."""
    head = (
        f"| | mean delay: {latency.RATE_HZ:g}/s, 25 ms each way, client library | bytes per message: 1/s, loopback, "
        "raw client with a library's headers | ... with a browser's headers | bytes per silent minute, a browser's "
        f"headers | server CPU per response or push, busy server, {load.READERS} readers, loopback: a task per reader, "
        "every poll through uvicorn | ... with the hub and its shortcut |"
    )
    rows = [head, "|---|--:|--:|--:|--:|--:|--:|"]
    cpu = [costs.load(busy, fan_out="tasks").set_index("variant"), costs.load(busy).set_index("variant")]
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
            *(words.interval(1000 * its.ms[variant], 1000 * its.half_ms[variant], "µs") for its in cpu),
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
