"""Can polling be fast enough?

The shorter the interval, the shorter a message waits, and the more is sent for nothing. Each point of the polling
curve is one interval; the formula gives the curve without looking at the points. Long polling, SSE, WebSocket and
Socket.IO have no such knob: at this rate of messages, their delay is little more than the network's.

Two limits of perception are drawn (R. B. Miller, "Response time in man-computer conversational transactions", 1968;
J. Nielsen, "Usability Engineering", 1993, chapter 5): up to 0.1 s feels immediate, up to 1 s does not interrupt one's
flow of thought.

One message per second at random times, an emulated delay of 25 ms each way, a library's headers, raw clients.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.analysis.tables import Table
from experiments.analysis.theory import Polling
from experiments.design import Condition, every_variant
from experiments.report import style, words

TITLE = "Interval"
PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
CONDITIONS = [
    *(Condition("short_poll", pause_s=pause_s, one_way_delay_ms=25.0, client="raw") for pause_s in PAUSES_S),
    *(condition for condition in every_variant(one_way_delay_ms=25.0, client="raw") if not condition.pause_s),
]
LIMITS = {100.0: "0.1 s: feels immediate", 1000.0: "1 s: keeps one's flow of thought"}


def figure(table: Table) -> Figure:
    """Mean delay over traffic, both on log scales: the lower left is best."""
    summary = table.summary
    made = style.figure(conclusion(summary))
    axes = made.add_axes((0.105, 0.145, 0.79, 0.68))
    axes.set(xscale="log", yscale="log", ylim=(15, 6000))
    for limit_ms, said in LIMITS.items():
        axes.axhline(limit_ms, color=style.PALE, linewidth=2, zorder=0)
        axes.text(
            0.01, limit_ms * 1.05, said, transform=axes.get_yaxis_transform(), fontsize=style.SMALL, color=style.GREY
        )  # fmt: skip
    polls = summary[summary.transport == "short_poll"].sort_values("pause_s")
    draw_theory(axes, polls)
    for row in style.apart(summary).itertuples():
        shade, shape = style.colour(row.variant), style.marker(row.variant)
        low, high = row.delay_mean_ms - row.delay_mean_low_ms, row.delay_mean_high_ms - row.delay_mean_ms
        axes.errorbar(
            row.bytes_per_minute, row.delay_mean_ms, [[low], [high]], fmt=shape, color=shade, markersize=17, capsize=7
        )
    for row in polls.itertuples():
        fastest = row.pause_s == polls.pause_s.min()  # its neighbour's name is where its own would be
        axes.annotate(
            f"every {row.pause_s:g} s", (row.bytes_per_minute, row.delay_mean_ms),
            xytext=(0, -42) if fastest else (16, 10), ha="center" if fastest else "left",
            textcoords="offset points", color=style.colour("short_poll"), fontsize=style.TEXT, weight="bold",
        )  # fmt: skip
    offsets = {
        "long_poll": (0, 24),
        "sse": (20, 20),
        "websocket": (-22, -6),
        "socket_io upgrade": (-30, -40),
        "socket_io polling": (0, -42),
    }
    for row in summary[summary.variant.isin(offsets)].itertuples():
        axes.annotate(
            words.title(row.variant), (row.bytes_per_minute, row.delay_mean_ms), xytext=offsets[row.variant],
            textcoords="offset points", color=style.colour(row.variant), fontsize=style.TEXT, weight="bold",
            ha="right" if offsets[row.variant][0] < 0 else "left",
        )  # fmt: skip
    axes.set_xlabel("TCP payload bytes per reader and minute, both ways")
    axes.set_ylabel("mean delay of a message")
    axes.set_xlim(summary.bytes_per_minute.min() / 2.4, summary.bytes_per_minute.max() * 2.2)
    style.plain_ticks(axes.yaxis, [20, 50, 100, 500, 1000, 5000], ["20 ms", "50 ms", "100 ms", "0.5 s", "1 s", "5 s"])
    ticks = [2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000]
    low_x, high_x = axes.get_xlim()
    ticks = [tick for tick in ticks if low_x <= tick <= high_x]
    style.plain_ticks(axes.xaxis, ticks, [words.size(tick) for tick in ticks])
    style.footnote(
        made,
        "1 message/s, 25 ms emulated delay each way, raw clients, a library's headers. Dotted: theory. "
        + words.ends(summary.sessions.max()),
    )
    return made


def draw_theory(axes: "object", polls: pd.DataFrame) -> None:
    """The formula for every interval, not only the measured ones; cycle and message size as measured."""
    processing_s = float(polls.processing_ms.median()) / 1000
    payload, cycle = float(polls.payload_bytes_per_message.mean()), float(polls.cycle_bytes.mean())
    rate_hz, down_s = float(polls.rate_hz.iloc[0]), float(polls.one_way_delay_ms.iloc[0]) / 1000
    points = []
    for pause_s in np.geomspace(polls.pause_s.min() / 1.2, polls.pause_s.max() * 1.2, 200):
        model = Polling(rate_hz, pause_s + 2 * down_s + processing_s, 0.0, down_s)
        per_minute = 60 * rate_hz * model.bytes_per_message(payload, cycle)
        points.append((per_minute, 1000 * model.mean_delay_s))
    xs, ys = zip(*points, strict=True)
    axes.plot(xs, ys, ":", color=style.INK, linewidth=3)  # type: ignore[attr-defined]


def conclusion(summary: pd.DataFrame) -> str:
    """What polling every second costs, and what it takes to come close to pushing."""
    polls = summary[summary.transport == "short_poll"].set_index("pause_s")
    push = summary[summary.variant == "websocket"].iloc[0]
    second, fastest = polls.loc[1.0], polls.loc[polls.index.min()]
    second_ratio, fastest_ratio = (row.delay_mean_ms / push.delay_mean_ms for row in (second, fastest))
    second_bytes, fastest_bytes = (row.bytes_per_minute / push.bytes_per_minute for row in (second, fastest))
    return (
        f"With 25\u00a0ms each way, polling every second has {words.times(second_ratio)} times WebSocket's delay and "
        f"{words.times(second_bytes)} times its bytes; every {polls.index.min():g}\u00a0s, "
        f"{words.times(fastest_ratio)} times the delay and {words.times(fastest_bytes)} times the bytes"
    )
