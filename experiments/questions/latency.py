"""How long does a message take to reach the reader?

Readers on every transport receive the same kind of stream, five messages per second at random times. The delay of a
message counts from the moment when it was due, so a publisher or a server that stalls is not let off.

The upper charts show which share of the messages had arrived after which time. A short poll adds anything between
nothing and its interval, evenly: half of it on average. A message that is pushed, or that meets a held question,
pays only for the way; that of long polling waits for the next question when it comes between two.

The lower charts say where the time went. *In*: from when a message was due to when it was in the log, which is the
publisher's and the server's doing and no transport's. *To the wire*: from the log to the server's write to the
socket; this is the transport. *From the wire*: the network, and the client's library until its handler is called.
Differences of a millisecond or two on the last part are those of Python libraries and not of transports.

Short polling is measured with five readers at different phases, who never receive together. The others have one:
five in one process would receive every message at the same instant and wait for each other's library.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.tables import Table, prediction
from experiments.design import Condition
from experiments.report import style, words
from experiments.variants import VARIANTS

TITLE = "Latency"
RATE_HZ = 5.0
ONE_WAY_DELAYS_MS = (0.0, 25.0)
CONDITIONS = [
    condition
    for delay_ms in ONE_WAY_DELAYS_MS
    for condition in (
        Condition("short_poll", pause_s=1.0, rate_hz=RATE_HZ, one_way_delay_ms=delay_ms),
        Condition("short_poll", pause_s=0.2, rate_hz=RATE_HZ, one_way_delay_ms=delay_ms),
        Condition("long_poll", rate_hz=RATE_HZ, one_way_delay_ms=delay_ms, clients=1),
        Condition("sse", rate_hz=RATE_HZ, one_way_delay_ms=delay_ms, clients=1),
        Condition("websocket", rate_hz=RATE_HZ, one_way_delay_ms=delay_ms, clients=1),
        Condition("socket_io", via="upgrade", rate_hz=RATE_HZ, one_way_delay_ms=delay_ms, clients=1),
        Condition("socket_io", via="websocket", rate_hz=RATE_HZ, one_way_delay_ms=delay_ms, clients=1),
        Condition("socket_io", via="polling", rate_hz=RATE_HZ, one_way_delay_ms=delay_ms, clients=1),
    )
]
PARTS = {"way_in_ms": ("in", "|"), "to_wire_ms": ("to the wire", "o"), "from_wire_ms": ("from the wire", ">")}


def figure(table: Table) -> Figure:
    """Distribution functions for each emulated delay, with theory dotted, above the parts of the way."""
    made = style.figure(conclusion(table.summary))
    for column, delay_ms in enumerate(ONE_WAY_DELAYS_MS):
        rows = table.summary[table.summary.one_way_delay_ms == delay_ms]
        left = 0.075 + 0.49 * column
        axes = made.add_axes((left, 0.47, 0.415, 0.36))
        network = f"{delay_ms:g} ms emulated delay each way" if delay_ms else "no added delay (loopback)"
        axes.set_title(network, pad=10)
        distribution(axes, rows, table, inset=not delay_ms)
        parts(made.add_axes((left + 0.09, 0.145, 0.325, 0.215)), rows)
    style.footnote(
        made,
        "Dotted: theory (on loopback, nothing for what is held or pushed). Delays count from when a message was due.",
    )
    return made


def conclusion(summary: pd.DataFrame) -> str:
    """What the delays say, in a sentence."""
    far = summary[summary.one_way_delay_ms == 25].set_index(["variant", "pause_s"]).delay_mean_ms
    pushed = [far[variant.name, 0.0] for variant in VARIANTS.values() if not variant.pauses]
    return (
        f"With 25\u00a0ms each way, polling every second delays a message by {words.seconds(far['short_poll', 1.0])} "
        f"on average; holding the question or pushing, by {words.seconds(min(pushed))} to {words.seconds(max(pushed))}"
    )


def distribution(axes: Axes, rows: pd.DataFrame, table: Table, inset: bool) -> None:
    """Share of messages that had arrived, over time."""
    axes.set_xscale("log")
    draw(axes, rows, table, np.geomspace(0.3, 3000, 600))
    axes.set(xlim=(0.3, 1500), ylim=(0, 1.03), ylabel="arrived")
    style.plain_ticks(axes.xaxis, [1, 10, 100, 1000], ["1 ms", "10 ms", "100 ms", "1 s"])
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_yticks([0, 0.5, 1])
    names(axes, rows, beside=inset)
    if inset:
        small = axes.inset_axes((0.36, 0.1, 0.2, 0.24))
        draw(small, rows[rows.pause_s == 0], table, np.linspace(0, 8, 300))
        small.set(xlim=(0, 8), ylim=(0, 1.03), yticks=[])
        small.set_xticks([0, 4, 8], ["0", "4", "8"])
        small.set_title("linear, ms", fontsize=style.SMALL, pad=4)


def draw(
    axes: Axes, rows: pd.DataFrame, table: Table, times_ms: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> None:
    """Each condition's distribution function, stepped, and its formula, dotted."""
    for row in style.apart(rows).itertuples():
        its = table.runs[same(table.runs, row)].run
        d = table.deliveries[table.deliveries.run.isin(its)]
        delays = np.sort((d.received_ms - d.due_ms).dropna().to_numpy())
        shade = style.colour(row.variant)
        axes.step(delays, np.arange(1, len(delays) + 1) / len(delays), where="post", color=shade, alpha=0.95)
        middle = len(delays) // 2
        axes.plot(delays[middle], (middle + 1) / len(delays), style.marker(row.variant), color=shade)
        condition = Condition(
            row.transport, row.pause_s, rate_hz=row.rate_hz, one_way_delay_ms=row.one_way_delay_ms, via=row.via
        )
        if row.pause_s:
            at = (delays[int(0.36 * len(delays))], 0.36)
            said = f"{row.pause_s:g} s"
            axes.annotate(
                said, at, xytext=(9, -14), textcoords="offset points", color=shade, weight="bold", size=style.SMALL
            )
        if not row.one_way_delay_ms and not row.pause_s:
            continue  # the formula says: at once
        model = prediction(condition, row.gap_s if condition.polls else None)
        axes.plot(times_ms, [model.share_within(t / 1000) for t in times_ms], ":", color=style.INK, linewidth=2)


def names(axes: Axes, rows: pd.DataFrame, beside: bool) -> None:
    """The names of what is held or pushed, in a column beside the curves; these are too close to name each alone."""
    pushed = style.apart(rows[rows.pause_s == 0]).sort_values("delay_mean_ms")
    x = 6.0 if beside else pushed.delay_mean_ms.min() * 0.55
    for place, row in enumerate(pushed.itertuples()):
        y = 0.94 - 0.11 * place
        shade = style.colour(row.variant)
        axes.plot(x, y, style.marker(row.variant), color=shade)
        axes.annotate(
            words.title(row.variant), (x, y), xytext=(14 if beside else -14, 0), textcoords="offset points",
            ha="left" if beside else "right", va="center", color=shade, fontsize=style.SMALL, weight="bold",
        )  # fmt: skip


def parts(axes: Axes, rows: pd.DataFrame) -> None:
    """For each transport, the mean of each part of a message's way."""
    axes.set_xscale("log")
    for y, row in enumerate(rows.iloc[::-1].itertuples()):
        for name, (_, shape) in PARTS.items():
            axes.plot(
                max(getattr(row, name), 0.1), y, shape, color=style.colour(row.variant), markersize=17,
                markeredgewidth=4 if shape == "|" else 1,
            )  # fmt: skip
    names = [words.row_title(row.variant, row.pause_s) for row in rows.iloc[::-1].itertuples()]
    axes.set_yticks(range(len(rows)), names)
    axes.set_xlabel("mean time spent on each part of the way", fontsize=style.SMALL)
    for tick, row in zip(axes.get_yticklabels(), rows.iloc[::-1].itertuples(), strict=True):
        tick.set_color(style.colour(row.variant))
        tick.set_fontweight("bold")
    axes.set(xlim=(0.1, 1500), ylim=(-0.5, len(rows) - 0.4))
    axes.grid(axis="y", color=style.PALE)
    style.plain_ticks(axes.xaxis, [0.1, 1, 10, 100, 1000], ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s"])
    said = "     ".join(f"{ {'|': '┃', 'o': '●', '>': '▶'}[shape] } {name}" for name, shape in PARTS.values())
    axes.set_title(said, fontsize=style.SMALL, loc="left", pad=8)


def same(runs: pd.DataFrame, row: object) -> "pd.Series[bool]":
    """Which runs are of the condition of `row`: those that are not suspect, if there are any."""
    chosen = runs.one_way_delay_ms == row.one_way_delay_ms  # type: ignore[attr-defined]
    for name in ("variant", "pause_s", "rate_hz", "client", "headers", "clients"):
        chosen &= runs[name] == getattr(row, name)
    return chosen & (~runs.suspect if not bool(runs.suspect[chosen].all()) else True)
