"""What happens when messages are frequent?

A poll collects everything since the last one. So the more frequent messages are, the more of them share the cost of
one request, and above some rate polling moves fewer bytes than pushing each message by itself: what counts is
batching, not who speaks first. It does not buy time.

Long polling is in between. At low rates its responses carry one message each, as pushes do. When messages come faster
than a round trip, several wait for the next request, and it becomes short polling without a pause.

The crossover is where a message's share of a poll equals the framing of a pushed message. The measurement says between
which two of its rates that is; the formula says where: H / ((h - 1) g), with H the bytes of a poll without its
messages, g its cycle, and h the framing of one pushed message; 1 is the comma that a message costs in a poll's body.

Raw clients, a library's headers, an emulated delay of 25 ms each way, short polling every second. What a request or a
push costs the server's CPU is a question of its own: load.
"""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis import costs
from experiments.analysis.tables import Table
from experiments.analysis.theory import crossover_hz
from experiments.design import every_variant
from experiments.report import style, words
from experiments.variants import VARIANTS

TITLE = "Rate"
RATES_HZ = (0.2, 1.0, 5.0, 20.0, 100.0)
QUIET_HZ = 1.0
"""A rate at which the server sleeps before each message."""

CONDITIONS = [
    condition
    for rate_hz in RATES_HZ
    for condition in every_variant(rate_hz=rate_hz, one_way_delay_ms=25.0, client="raw")
]


PANELS = {
    "delay_mean_ms": "mean delay",
    "requests_per_message": "requests per message",
    "bytes_per_message": "TCP payload bytes per message",
    "empty_share": "requests without any message",
}


def figure(table: Table) -> Figure:
    """Delay, requests, bytes and empty responses over the rate."""
    summary = style.apart(table.summary)
    made = style.figure(conclusion(table.summary))
    boxes = [(left, bottom, 0.28, 0.285) for bottom in (0.53, 0.12) for left in (0.075, 0.555)]
    for box, (name, title) in zip(boxes, PANELS.items(), strict=True):
        axes = made.add_axes(box)
        axes.set_title(title, pad=10)
        lines(axes, summary, name)
    style.footnote(
        made,
        "x: messages per second. Raw clients, 25 ms emulated delay each way, short polling every 1 s. Dotted: theory.\n"
        + waking_up(summary),
    )
    return made


def waking_up(summary: pd.DataFrame) -> str:
    """What a push costs a server that is nearly idle: not a figure to size a server by."""
    pushed = summary[summary.variant == "websocket"].set_index("rate_hz", drop=False)
    rarely, often = (words.cpu(costs.idle_push(pushed.loc[rate_hz])) for rate_hz in (QUIET_HZ, max(pushed.index)))
    return (
        f"All of the server's CPU per push over WebSocket, waking up and publishing included: {rarely} at "
        f"{QUIET_HZ:g}/s, {often} at {max(pushed.index):g}/s. For sizing, see Load."
    )


def lines(axes: Axes, summary: pd.DataFrame, name: str) -> None:
    """One line per variant over the rate, with its formula."""
    axes.set(xscale="log", yscale="linear" if name == "empty_share" else "log")
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
    elif name == "empty_share":
        axes.set_ylim(-0.03, 1.0)
        style.plain_ticks(axes.yaxis, [0, 0.5, 1], ["0%", "50%", "100%"])
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


def conclusion(summary: pd.DataFrame) -> str:
    """From which rate polling saves bytes, and what that costs in time."""
    (more, fewer), expected = crossover(summary, "sse"), expected_crossover(summary, "sse")
    theory = f"(theory: {words.rate(expected)})"
    slow = summary.groupby("variant").delay_mean_ms.mean()
    price = f"{words.times(slow['short_poll'] / slow['sse'])} times its delay"
    if fewer == math.inf:
        return f"Up to {more:g} messages/s {theory}, polling every second moves more bytes than SSE, at {price}"
    return (
        f"Somewhere between {more:g} and {fewer:g} messages/s {theory}, polling every second starts to move fewer "
        f"bytes than SSE, at {price}"
    )
