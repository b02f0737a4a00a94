"""What happens when messages come often?

A poll takes everything that has come since the last one. So the more often messages come, the more of them share
the cost of one request, and there is a rate from which polling moves fewer bytes than pushing every message by
itself: batching is the real variable, not the direction in which one asks. What it does not buy is time.

Long polling lies between the two. At low rates it answers each message by itself, as push does; when messages come
faster than a round trip, several wait for the next question, and it turns into short polling without a pause.

The crossover is where a message's share of a poll equals the framing of a pushed message. It is read off the
measurements (between the two rates where the order changes, on log scales) and computed by formula.

What a delivered message costs the server is the slope of its CPU time over several rates, so that what it does
anyway is no part of it; the publisher's part, measured with no reader at all, is taken off. Raw clients, 25 ms
emulated delay each way, short polling every second.
"""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import style
from experiments.design import Condition
from experiments.tables import Table
from experiments.theory import crossover_hz

TITLE = "Rate"
RATES_HZ = (0.2, 1.0, 5.0, 20.0, 100.0)
TRANSPORTS = ("short_poll", "long_poll", "sse", "websocket")
CONDITIONS = [
    *(
        Condition(t, pause_s=1.0 if t == "short_poll" else 0.0, rate_hz=rate_hz, one_way_delay_ms=25.0, client="raw")
        for rate_hz in RATES_HZ
        for t in TRANSPORTS
    ),
    *(
        Condition("websocket", rate_hz=rate_hz, one_way_delay_ms=25.0, client="raw", clients=0)
        for rate_hz in RATES_HZ
        if rate_hz >= 5
    ),
]


def figure(table: Table) -> Figure:
    """Delay, requests and bytes per message over the rate, and the server's CPU time per delivery."""
    summary = table.summary[table.summary.clients > 0]
    made = style.figure(conclusion(table.summary))
    boxes = [(0.075, 0.53, 0.31, 0.285), (0.565, 0.53, 0.31, 0.285), (0.075, 0.12, 0.31, 0.285)]
    names = ("delay_mean_ms", "requests_per_message", "bytes_per_message")
    titles = ("mean delay", "requests per message", "bytes per message, above TCP")
    for box, name, words in zip(boxes, names, titles, strict=True):
        axes = made.add_axes(box)
        axes.set_title(words, pad=10)
        lines(axes, summary, name)
    cost(made.add_axes((0.685, 0.12, 0.2, 0.285)), table)
    style.footnote(
        made, "x: messages per second. 25 ms emulated delay each way. Dotted: theory. Short polling every 1 s."
    )
    return made


def lines(axes: Axes, summary: pd.DataFrame, name: str) -> None:
    """One line per transport over the rate, with its formula."""
    axes.set(xscale="log", yscale="log")
    ends = []
    for transport in TRANSPORTS:
        rows = summary[summary.transport == transport].sort_values("rate_hz")
        values = rows[name].to_numpy(dtype=float)
        if not (values > 0).any():
            continue
        shade = style.colour(transport)
        axes.plot(rows.rate_hz, values, marker=style.marker(transport), color=shade)
        theory = f"theory_{name}"
        if theory in rows and rows[theory].notna().any():
            axes.plot(rows.rate_hz, rows[theory], ":", color=style.INK, linewidth=2.5, zorder=5)
        ends.append((float(rows.rate_hz.iloc[-1]), float(values[-1]), style.title(transport), shade))
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
        rate_hz = crossover(summary, "sse")
        if rate_hz is not None:
            axes.axvline(rate_hz, color=style.GREY, linewidth=2, linestyle="--", zorder=0)
            axes.text(rate_hz * 1.1, high * 0.85, f"{rate_hz:.2g}/s", fontsize=style.SMALL, color=style.GREY)
    style.label_ends(axes, ends)


def crossover(summary: pd.DataFrame, push: str) -> float | None:
    """The measured rate from which short polling moves fewer bytes per message than `push`; None if there is none."""
    by_rate = summary.pivot_table(index="rate_hz", columns="transport", values="bytes_per_message")
    ratio = np.log(by_rate.short_poll / by_rate[push])
    for (low_hz, low), (high_hz, high) in zip(list(ratio.items())[:-1], list(ratio.items())[1:], strict=True):
        if low > 0 >= high:
            share = low / (low - high)
            return float(math.exp(math.log(float(str(low_hz))) * (1 - share) + math.log(float(str(high_hz))) * share))
    return None


def expected_crossover(summary: pd.DataFrame, push: str) -> float:
    """The same by formula, H / (h g), with the framing h of a single pushed message."""
    polls = summary[(summary.transport == "short_poll")].sort_values("rate_hz").iloc[0]
    slow = summary[summary.transport == push].sort_values("rate_hz").iloc[0]
    framing = sum(slow.get(f"down_{part}_bytes_per_message", 0.0) for part in ("chunk", "sse_field", "frame"))
    return crossover_hz(float(polls.cycle_bytes), float(framing), float(polls.gap_s))


def cpu_per_delivery(table: Table) -> pd.DataFrame:
    """Per transport: CPU time of the server per delivered message in ms, as a slope over rates, with its interval.

    Least squares of CPU per second over messages per second, less the slope of the publisher alone, over the number of
    readers (the probe is one of them). The interval is 1.96 standard errors, those of both slopes added in quadrature.
    """
    valid = table.runs[table.runs.valid]
    alone, alone_error = slope(valid[valid.clients == 0])
    rows = []
    for transport in TRANSPORTS:
        runs = valid[(valid.transport == transport) & (valid.clients > 0)]
        its, its_error = slope(runs)
        readers = runs.clients.mean() + 1
        rows.append(
            {
                "transport": transport,
                "ms": (its - alone) / readers,
                "half_ms": 1.96 * math.hypot(its_error, alone_error) / readers,
                "publisher_ms": alone,
            }
        )
    return pd.DataFrame(rows)


def slope(runs: pd.DataFrame) -> tuple[float, float]:
    """(slope, standard error) of CPU milliseconds per second over messages per second."""
    x = runs.rate_hz.to_numpy(dtype=float)
    y = (runs.server_cpu_ms / runs.window_s).to_numpy(dtype=float)
    if len(x) < 3 or np.ptp(x) == 0:
        return math.nan, math.nan
    design = np.column_stack([np.ones_like(x), x])
    (_, rise), *_ = np.linalg.lstsq(design, y, rcond=None)
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    error = math.sqrt(float(rest @ rest) / (len(x) - 2) / float(((x - x.mean()) ** 2).sum()))
    return float(rise), error


def cost(axes: Axes, table: Table) -> None:
    """Server CPU per delivered message."""
    rows = cpu_per_delivery(table)
    for y, row in enumerate(rows.iloc[::-1].itertuples()):
        axes.errorbar(
            row.ms,
            y,
            xerr=row.half_ms,
            fmt=style.marker(row.transport),
            color=style.colour(row.transport),
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
            color=style.colour(row.transport),
        )
    axes.set_yticks(range(len(rows)), [style.title(t) for t in rows.transport[::-1]])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(min(0.0, 1.1 * float(rows.ms.min())), 1.3 * float((rows.ms + rows.half_ms).max()))
    axes.locator_params(axis="x", nbins=3)
    axes.grid(axis="y", color=style.PALE)
    axes.set_xlabel("ms of CPU")
    axes.set_title("server CPU per delivery", pad=10)


def conclusion(summary: pd.DataFrame) -> str:
    """From which rate polling is the thriftier one, and what that costs in time."""
    summary = summary[summary.clients > 0]
    measured, expected = crossover(summary, "sse"), expected_crossover(summary, "sse")
    slow = summary.groupby("transport").delay_mean_ms.mean()
    if measured is None:
        first = (
            f"Polling every second moved fewer bytes than SSE at no rate here (theory: from {expected:.2g} messages/s)"
        )
    else:
        first = (
            f"From {measured:.2g} messages/s (theory: {expected:.2g}), polling every second moves fewer bytes than SSE"
        )
    return f"{first}, and takes {slow['short_poll'] / slow['sse']:.0f} times as long"
