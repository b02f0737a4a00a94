"""What does it cost to tell everybody?

Readers connect to a fresh server until there are thousands. On the way, at five numbers of readers, messages are
broadcast: each is published when every reader has the one before. On the left is the server's CPU time for each
delivery: one reader alone has to pay for publishing the message and for waking the server up; among many, what is left
is the price of a delivery, which is the slope. On the right is the time until the last reader has a message.

Two kinds of server are compared. With a *task* per reader, each reader's task is woken, reads the log, makes its frame
and sends it, and every poll goes through uvicorn and its handler. The *hub* knows that readers who have read everything
are all due the same bytes: it makes the frame once and writes it to each connection, and a poll that is like one that
was let in before gets its response from the tap. A short poller costs as much whether there is news or not, every
second.

The readers check every message: a missing, repeated or reordered one would make the run suspect, and so would a byte
that the server's tap has counted and no reader received. Delivery by delivery, a seeded sample of about fifty readers
is stored. They run in as many processes as there are cores for. Where the busiest of these used more than 0.9 of a
core while messages were on their way, the readers were the limit: such a point has no delays. Where the server or the
readers waited for a CPU for more than a fifth of that time, something else used the machine: such a point has no
numbers at all. The table marks both.

When the number of readers is reached, 16 publishers post as fast as the server accepts: it is saturated. And in a
*storm* the server is killed and started again while everybody is connected. Without a backoff, readers come back
exactly a second later, all at once, as browsers do from an EventSource that was told so; with one, each comes back
after a random time, which grows with each failure. What that changes is said only where all repeats agree.

Memory is what one more connected reader adds to the server's process: the same slope as in the chart about connections,
which has the better number. Here the recorder keeps the bytes of the sample. Raw clients on loopback; Socket.IO runs
over WebSocket from the start.
"""

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis import crowds
from experiments.analysis.tables import Table
from experiments.design import FAN_OUTS, SIZES, Condition
from experiments.report import crowds as words
from experiments.report import style
from experiments.variants import VARIANTS

TITLE = "Crowd"
PAUSE_S = 1.0
PUSHED = (("websocket", ""), ("sse", ""), ("socket_io", "websocket"))
QUICK = SIZES["quick"].crowd


def broadcasts(readers: int, transport: str, via: str, **fields: object) -> Condition:
    """Up to so many readers, who are told."""
    return Condition(transport, via=via, clients=readers, client="raw", measures="broadcasts", **fields)  # type: ignore[arg-type]


def conditions(readers: int) -> list[Condition]:
    """Everything for one size of crowds; the smallest one only shows how the hub and the tasks differ."""
    pushed = PUSHED[:1] if readers == QUICK else PUSHED
    its = [broadcasts(readers, *one, fan_out=fan_out) for one in pushed for fan_out in FAN_OUTS]
    if readers == QUICK:
        return its
    return [
        *its,
        *(broadcasts(readers, "long_poll", "", fan_out=fan_out) for fan_out in FAN_OUTS),
        *(broadcasts(readers, "short_poll", "", pause_s=PAUSE_S, fan_out=fan_out) for fan_out in FAN_OUTS),
        *(Condition("websocket", clients=readers, client="raw", measures="storm", backoff=on) for on in (True, False)),
    ]


CONDITIONS = [condition for size in SIZES.values() for condition in conditions(size.crowd)]


def figure(table: Table) -> Figure:
    """CPU per delivery, and the time until the last reader has a message, over the number of readers."""
    made = style.figure(conclusion(table.summary))
    its = crowds.largest(table.summary)
    points, slopes = crowds.points(its), crowds.deliveries(crowds.largest(table.runs))
    left = made.add_axes((0.06, 0.235, 0.2, 0.57))
    left.set_title("server CPU per delivery; labels: slope", pad=12, loc="left")
    lines(left, points, slopes, "delivery_us")
    right = made.add_axes((0.57, 0.235, 0.18, 0.57))
    right.set_title("until the last reader has a message", pad=12)
    lines(right, points, slopes, "last_ms")
    style.footnote(made, footnote(its, crowds.largest(table.runs)))
    return made


def footnote(summary: pd.DataFrame, runs: pd.DataFrame) -> str:
    """What lines mean, and what the chart does not show."""
    said = " ".join(filter(None, (words.saturation(summary), words.limited(summary))))
    rest = words.quick() if summary.clients.max() == QUICK else words.storm(runs)
    return "\n".join(filter(None, (words.key(), said, rest)))


def lines(axes: Axes, points: pd.DataFrame, slopes: pd.DataFrame, name: str) -> None:
    """One line per variant and way of writing, with what was fitted to it, and named at its end."""
    axes.set(xscale="log", yscale="log")
    ends, most = [], float(points.readers.max())
    for _, row in slopes.iterrows():
        its = points[(points.variant == row.variant) & (points.fan_out == row.fan_out)].dropna(subset=name)
        if its.empty:
            continue
        shade, tasks = style.colour(row.variant), row.fan_out == "tasks"
        axes.plot(
            its.readers, its[name], "--" if tasks else "-", marker=style.marker(row.variant), color=shade,
            markerfacecolor="white" if tasks else shade, markeredgewidth=3,
        )  # fmt: skip
        fitted = fit(row, its, name)
        if fitted is not None:
            axes.plot(its.readers, fitted, ":", color=style.INK, linewidth=2.5, zorder=5)
        last = float(its[name].iloc[-1])
        ends.append((float(its.readers.iloc[-1]), last, words.end(row, name, last), shade))
    ticks = [readers for readers in (DECADES if most < DECADES[-1] else DECADES[::2]) if readers <= most]
    style.plain_ticks(axes.xaxis, ticks, [f"{readers:,}" for readers in ticks])
    axes.set_xlabel("readers")
    low, high = axes.get_ylim()
    shown = within(DECADES, low, high)
    if len(shown) < 2:
        shown = within([step * decade for decade in DECADES for step in (1, 2, 5)], low, high)
    style.plain_ticks(
        axes.yaxis, shown, [words.tick(value if name == "delivery_us" else 1e3 * value) for value in shown]
    )
    style.label_ends(axes, ends)


DECADES = (1, 10, 100, 1_000, 10_000)


def within(values: Iterable[float], low: float, high: float) -> list[float]:
    return [value for value in values if low <= value <= high]


def fit(row: "pd.Series[float]", points: pd.DataFrame, name: str) -> "pd.Series[float] | None":
    """(a + b N) / N for each delivery, and a + b N for the last; None without a slope, and for how long polls take.

    A held request's CPU is not its delay: half of it is the next request, which comes after the response.
    """
    if row.us != row.us or (VARIANTS[str(row.variant)].polls and name == "last_ms"):
        return None
    model = crowds.model(row)
    if name == "last_ms":
        return model.last_ms(points.readers)
    return 1000 * model.cpu_ms(points.events) / points.events


def conclusion(summary: pd.DataFrame) -> str:
    """What a broadcast costs and takes, with the hub and with tasks."""
    points = crowds.points(crowds.largest(summary))
    its = points[points.variant == "websocket"].set_index(["readers", "fan_out"])[["cpu_ms", "last_ms"]]
    both = its.groupby(level=[0, 1]).mean().unstack().dropna()
    if both.empty or both.shape[1] < 4:
        return words.undecided()
    most = both.index.max()
    return words.concluded(int(most), both.loc[most, "cpu_ms"], both.loc[most, "last_ms"])
