"""What happens when messages come often?

A poll takes everything that has come since the last one. So the more often messages come, the more of them share
the cost of one request, and there is a rate from which polling moves fewer bytes than pushing every message by
itself: batching is the real variable, not the direction in which one asks. What it does not buy is time.

Long polling lies between the two. At low rates it answers each message by itself, as push does; when messages come
faster than a round trip, several wait for the next question, and it turns into short polling without a pause.

The crossover is where a message's share of a poll equals the framing of a pushed message. The measurement says
between which two of its rates it lies, the formula where: H / ((h - 1) g), with H the bytes of a poll without its
messages, g its cycle, h the framing of one pushed message; 1 is the comma that a message costs in a poll's answer.

What the server's CPU does is taken apart by least squares over all runs: so much per second for nothing, so much
per published message, and so much per answered question or pushed message, each transport by itself. Raw clients,
25 ms emulated delay each way, short polling every second.
"""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis import costs
from experiments.analysis.tables import Table
from experiments.analysis.theory import crossover_hz
from experiments.design import Condition, every_variant
from experiments.report import style, words
from experiments.variants import VARIANTS

TITLE = "Rate"
RATES_HZ = (0.2, 1.0, 5.0, 20.0, 100.0)
CONDITIONS = [
    *(
        condition
        for rate_hz in RATES_HZ
        for condition in every_variant(rate_hz=rate_hz, one_way_delay_ms=25.0, client="raw")
    ),
    *(
        Condition("websocket", rate_hz=rate_hz, one_way_delay_ms=25.0, client="raw", clients=0)
        for rate_hz in RATES_HZ
        if rate_hz >= 5
    ),
    # What a poll costs the server shows where polls differ and messages do not.
    *(Condition("short_poll", pause_s=pause_s, one_way_delay_ms=25.0, client="raw") for pause_s in (0.05, 0.2)),
]


def figure(table: Table) -> Figure:
    """Delay, requests and bytes per message over the rate, and the server's CPU time per delivery."""
    summary = drawn(table.summary)
    made = style.figure(conclusion(table.summary))
    boxes = [(0.075, 0.53, 0.28, 0.285), (0.555, 0.53, 0.28, 0.285), (0.075, 0.12, 0.28, 0.285)]
    names = ("delay_mean_ms", "requests_per_message", "bytes_per_message")
    titles = ("mean delay", "requests per message", "bytes per message, above TCP")
    for box, name, said in zip(boxes, names, titles, strict=True):
        axes = made.add_axes(box)
        axes.set_title(said, pad=10)
        lines(axes, summary, name)
    cost(made.add_axes((0.665, 0.12, 0.21, 0.285)), table)
    style.footnote(
        made,
        "x: messages per second. 25 ms emulated delay each way. Dotted: theory. Short polling every 1 s. "
        "Socket.IO by its default, or polling only.",
    )
    return made


def drawn(summary: pd.DataFrame) -> pd.DataFrame:
    """The conditions of the lines; the others are there for the CPU, or hidden behind Socket.IO's usual way."""
    return style.apart(summary[(summary.clients > 0) & summary.pause_s.isin((0.0, 1.0))])


def lines(axes: Axes, summary: pd.DataFrame, name: str) -> None:
    """One line per transport over the rate, with its formula."""
    axes.set(xscale="log", yscale="log")
    ends = []
    for variant in VARIANTS:
        rows = summary[summary.variant == variant].sort_values("rate_hz")
        values = rows[name].to_numpy(dtype=float)
        if not (values > 0).any():
            continue
        shade = style.colour(variant)
        axes.plot(rows.rate_hz, values, marker=style.marker(variant), color=shade)
        theory = f"theory_{name}"
        if theory in rows and rows[theory].notna().any():
            axes.plot(rows.rate_hz, rows[theory], ":", color=style.INK, linewidth=2.5, zorder=5)
        ends.append((float(rows.rate_hz.iloc[-1]), float(values[-1]), words.title(variant), shade))
    style.plain_ticks(axes.xaxis, RATES_HZ, [f"{rate:g}/s" for rate in RATES_HZ])
    low, high = axes.get_ylim()
    if name == "delay_mean_ms":
        axes.set_ylim(14, 1200)
        style.plain_ticks(
            axes.yaxis, [20, 50, 100, 200, 500, 1000], ["20 ms", "50 ms", "100 ms", "0.2 s", "0.5 s", "1 s"]
        )
    elif name == "requests_per_message":
        style.plain_ticks(axes.yaxis, [0.01, 0.1, 1, 5], ["0.01", "0.1", "1", "5"])
    else:
        axes.set_ylim(low * 0.75, high)
        style.plain_ticks(axes.yaxis, [200, 500, 1000, 2000], ["200 B", "500 B", "1 kB", "2 kB"])
        for push in ("sse", "websocket"):
            rate_hz = expected_crossover(summary, push)
            if rate_hz > max(RATES_HZ):
                continue
            axes.axvline(rate_hz, color=style.colour(push), linewidth=2, linestyle=":", zorder=0)
            axes.annotate(
                words.rate(rate_hz), (rate_hz, high), xytext=(-4, 0), textcoords="offset points", ha="right", va="top",
                fontsize=style.SMALL, color=style.colour(push),
            )  # fmt: skip
    style.label_ends(axes, ends)


def crossover(summary: pd.DataFrame, push: str) -> tuple[float, float]:
    """Between which two measured rates short polling begins to move fewer bytes per message than `push`.

    (highest rate at which it moves more, lowest at which it moves fewer); 0 or infinity where there is none.
    """
    by_rate = summary.pivot_table(index="rate_hz", columns="variant", values="bytes_per_message")
    fewer = by_rate.short_poll < by_rate[push]
    return max(fewer.index[~fewer], default=0.0), min(fewer.index[fewer], default=math.inf)


def expected_crossover(summary: pd.DataFrame, push: str) -> float:
    """The same by formula."""
    polls = summary[summary.transport == "short_poll"].sort_values("rate_hz").iloc[0]
    framing = summary[summary.transport == push].framing_bytes.mean()
    return crossover_hz(float(polls.cycle_bytes), float(framing), float(polls.gap_s))


def cost(axes: Axes, table: Table) -> None:
    """What the server's CPU does for one answer or push."""
    rows = costs.cpu(table.runs).dropna()
    for y, row in enumerate(rows.iloc[::-1].itertuples()):
        axes.errorbar(
            row.ms,
            y,
            xerr=row.half_ms,
            fmt=style.marker(row.variant),
            color=style.colour(row.variant),
            markersize=17,
            capsize=7,
        )
        axes.text(
            1.04,
            y,
            f"{row.ms:.2f} ms",
            transform=axes.get_yaxis_transform(),
            fontsize=style.TEXT,
            va="center",
            weight="bold",
            color=style.colour(row.variant),
        )
    axes.set_yticks(range(len(rows)), [words.row_title(variant) for variant in rows.variant[::-1]])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(min(0.0, 1.1 * float(rows.ms.min())), 1.3 * float((rows.ms + rows.half_ms).max()))
    axes.locator_params(axis="x", nbins=3)
    axes.grid(axis="y", color=style.PALE)
    axes.set_xlabel("ms of CPU")
    axes.set_title("server CPU per answer or push", pad=10)


def conclusion(summary: pd.DataFrame) -> str:
    """From which rate polling is the thriftier one, and what that costs in time."""
    summary = drawn(summary)
    (more, fewer), expected = crossover(summary, "sse"), expected_crossover(summary, "sse")
    theory = f"(theory: {words.rate(expected)})"
    slow = summary.groupby("variant").delay_mean_ms.mean()
    price = f"{words.times(slow['short_poll'] / slow['sse'])} times its delay"
    if fewer == math.inf:
        return f"Up to {more:g}/s {theory}, polling every second moves more bytes than SSE, at {price}"
    return (
        f"Between {more:g}/s and {fewer:g}/s {theory}, polling every second begins to save bytes over SSE, at {price}"
    )
