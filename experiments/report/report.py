"""Writes what a comparison found: tables, charts, and one HTML file that opens offline. Measures nothing."""

import base64
import inspect
import re
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape
from rich.console import Console

from experiments import claims, questions, store
from experiments.analysis import costs
from experiments.analysis.sessions import Between, between
from experiments.analysis.tables import Table, deliveries_frame, of, of_question, runs_frame, table
from experiments.design import Size
from experiments.report import crowds, loads, recommend, sentences, style, words

SHOWN = {
    "variant": "transport",
    "pause_s": "pause s",
    "rate_hz": "messages/s",
    "one_way_delay_ms": "each way ms",
    "client": "client",
    "headers": "headers",
    "upgrades": "upgrades",
    "clients": "readers",
    "runs": "runs",
    "deliveries": "deliveries",
    "missing": "missing",
    "duplicates": "duplicates",
    "delay_mean_ms": "mean delay ms",
    "delay_p50_ms": "p50 ms",
    "delay_p95_ms": "p95 ms",
    "delay_p99_ms": "p99 ms",
    "way_in_ms": "in ms",
    "to_wire_ms": "to the wire ms",
    "from_wire_ms": "from the wire ms",
    "requests_per_message": "requests per message",
    "empty_share": "empty share",
    "bytes_per_message": "bytes per message",
    "bytes_per_message_with_tcp_ip": "with TCP/IP headers",
    "bytes_per_minute": "bytes per minute",
    "setup_bytes": "set-up bytes",
    "segments_per_message": "segments per message",
    "server_cpu_ms_per_s": "server CPU ms/s",
}
"""The columns of a question's table in the report, and their heads; all others are in summary.csv."""

RESIDUALS = {
    "delay": (
        "theory_delay_mean_ms",
        "delay_mean_ms",
        "residual_delay_percent",
        "harness_ms",
        "unexplained_delay_ms",
        "spread_delay_ms",
    ),
    "requests": (
        "theory_requests_per_message",
        "requests_per_message",
        "residual_requests_percent",
        "spread_requests_percent",
    ),
    "bytes": ("theory_bytes_per_message", "bytes_per_message", "residual_bytes_percent", "spread_bytes_percent"),
}


class NoResults(Exception):
    """There is nothing to report on; the text says where it was looked for."""


def write(folder: Path, console: Console, name: str = "") -> pd.DataFrame:
    """Tables, figures, verdicts and report.html in `folder`, from its runs, or else its tables; the summary.

    `name`: of the results, if it is not the folder's.
    """
    console.print("drawing the charts and writing the report")
    runs, deliveries = tables(folder)
    plan = store.read_plan(folder)
    summaries, sections = [], []
    whole = table(runs, deliveries)
    size = Size(**plan["size"])
    for asked in plan["questions"]:
        question = questions.QUESTIONS[asked]
        its = of_question(question.CONDITIONS, whole)
        summaries.append(its.summary.assign(question=asked))
        if missing := unmeasured(question, size, its.summary):
            console.print(f"no chart for {asked}: {missing} of its conditions are not measured")
            sections.append(section(asked, question, its, missing))
        else:
            style.save(question.figure(its), folder / "figures" / asked)
            sections.append(section(asked, question, its, svg=folder / "figures" / f"{asked}.svg"))
    summary = pd.concat(summaries, ignore_index=True)
    summary = summary[["question", *(column for column in summary.columns if column != "question")]]
    store.write_frame(folder / "summary.csv", summary)
    said = claims.content(whole)
    store.write_json(folder / "claims.json", said)
    found = between(whole)
    if found:
        store.write_json(folder / "sessions.json", found.plain())
    blocked = whole.summary[whole.summary.undeliverable]
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        Path(__file__).with_name("report.html.j2").read_text()
    )
    text = template.render(
        name=name or (folder.name if folder.name != "latest" else folder.resolve().name),
        advice=recommend.advice(whole),
        reliance=sentences.several_sessions(found) if found else sentences.one_session(of_reference()),
        sessions=sorted(path.name for path in (folder / "sessions").glob("*")),
        limits=sentences.limits(),
        plan=plan,
        machine=store.read_json(folder / "machine.json"),
        claims=said,
        sections=sections,
        runs=len(runs),
        suspect=int(runs.suspect.sum()),
        again=int((runs.tries > 1).sum()),
        suspects=runs[runs.suspect].to_dict("records"),
        deliveries=int(runs.deliveries.sum()),
        missing=int(whole.summary.missing.sum() - blocked.missing.sum()),
        blocked=len(blocked),
        duplicates=int(runs.duplicates.sum()),
        kernel_counts=bool(runs.segments_up.notna().any()),
        probes=runs[["publisher_late_p99_ms", "readers_cpu_share", "readers_wait_ms", "server_wait_ms"]]
        .max()
        .to_dict(),
    )
    store.write_text(folder / "report.html", text)
    return summary


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(runs, deliveries) as stored; made first from single runs if these are there. Raises NoResults."""
    if not (folder / "plan.json").exists():
        raise NoResults(f"{folder} holds no comparison: run `make compare` first, or name a folder in results/")
    results = store.load_runs(folder)
    if results:
        store.write_frame(folder / "runs.csv", runs_frame(results))
        store.write_frame(folder / "deliveries.csv.gz", deliveries_frame(results))
    if not (folder / "runs.csv").exists():
        raise NoResults(f"no run in {folder} was finished")
    runs = store.read_runs(folder / "runs.csv")
    if unknown := [name for name in ("transport", "variant", "late_joiners_missing") if name not in runs]:
        raise NoResults(
            f"{folder} was measured by an older version, without {', '.join(unknown)}: `make compare` again"
        )
    return runs, pd.read_csv(folder / "deliveries.csv.gz")


def of_reference() -> Between | None:
    """What the sessions of the reference say of each other, if it has several."""
    path = store.RESULTS / "reference" / "sessions.json"
    return Between.read(store.read_json(path)) if path.exists() else None


def unmeasured(question: questions.Question, size: Size, summary: pd.DataFrame) -> int:
    """How many conditions that a question's chart needs, as far as this size has them, have no finished run.

    What the tap weighs is a footnote, which says so if it is not measured.
    """
    sized = (c for c in dict.fromkeys(question.CONDITIONS) if size.times(c) > 0 and size.fits(c))
    needed = [condition for condition in sized if not condition.weighs_tap]
    return len(needed) - len(of(needed, summary)) if needed else 0


def section(
    name: str, question: questions.Question, its: Table, missing: int = 0, svg: Path | None = None
) -> dict[str, Any]:
    """What the template needs of one question; without a chart if some of its conditions are not measured."""
    summary = its.summary
    readers = summary[summary.clients > 0]
    judged = readers[readers.theory_delay_mean_ms.notna()] if "theory_delay_mean_ms" in readers else readers.iloc[:0]
    return {
        "name": name,
        "title": question.TITLE,
        "missing": missing,
        "conclusion": question.conclusion(summary) if svg else "",
        "text": paragraphs(inspect.getdoc(question) or ""),
        "figure": base64.b64encode(svg.read_bytes()).decode() if svg else "",
        "tables": numbers(its),
        "residuals": [residuals(row) for row in judged.to_dict("records")],
        "verdict": sentences.theory(judged),
    }


def numbers(its: Table) -> list[crowds.Numbers]:
    """A question's tables: the numbers that its chart shows."""
    if its.summary.measures.isin(("broadcasts", "storm")).any():
        return [*crowds.numbers(its)]
    if (its.summary.measures == "cpu").any():
        return [loads.numbers(its.runs)]
    if (its.summary.measures == "memory").any():
        cost = costs.memory(its.runs).dropna().to_dict("records")
        rows = [[words.title(row["variant"]), words.interval(row["kb"], row["half_kb"], "kB")] for row in cost]
        return [("", ["transport", "server memory per reader, 95 % interval"], rows)]
    readers = its.summary[its.summary.clients > 0].to_dict("records")
    return [("", [*SHOWN.values()], [[shown(row, column) for column in SHOWN] for row in readers])]


def shown(row: dict[str, Any], column: str) -> str:
    """One value of a question's table."""
    if column == "missing":
        return sentences.missing(row["missing"], row["undeliverable"])
    return cell(row.get(column))


def residuals(row: dict[str, Any]) -> list[str]:
    """A row of the table that holds theory against measurement."""
    return [
        sentences.condition(row),
        *(cell(row.get(column)) for columns in RESIDUALS.values() for column in columns),
    ]


def cell(value: Any) -> str:
    """A value for a table: three digits that matter, nothing for what is not known."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def paragraphs(text: str) -> list[Markup]:
    """A docstring as paragraphs; `*word*` is emphasis."""
    return [
        Markup(re.sub(r"\*([^*]+)\*", r"<em>\1</em>", str(escape(" ".join(part.split())))))
        for part in text.split("\n\n")
    ]
