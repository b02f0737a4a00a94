"""How long does a message take to reach the reader?

Readers on every transport receive the same kind of stream: five messages per second, at random times. A message's
delay counts from when it was due, so a publisher or a server that stalls gets no credit for it.

The upper charts show what share of the messages had arrived after what time. Short polling adds anything between
nothing and its interval, evenly: half of it on average. A message that is pushed, or that meets a held request, only
travels down; in long polling, one that comes between two requests waits for the next.

The lower charts say where the time went. *In*: from when a message was due until it was in the log; that is the
publisher and the server, not the transport. *To the wire*: from the log to the server's write to the socket; that is
the transport. *From the wire*: the network, and the client library until it calls the handler. Differences of a
millisecond or two in that last part are differences between Python libraries, not between transports.

Without added delay, times depend on the machine and on whatever else it is doing: two sessions of measuring differ by
far more than two runs within one. So on loopback, delays are shown as multiples of WebSocket's median delay in the same
session. With 25 ms each way, the network's delay outweighs the machine's, and milliseconds are shown.

Short polling is measured with five readers at different phases, which never receive at the same time. The other
transports have one reader: five in one process would receive every message at once, and wait for each other's library.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.tables import Table, prediction
from experiments.design import CONDITION_COLUMNS, Condition
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
BASE = "websocket"
"""Its median delay is the unit on loopback."""

PARTS = {"way_in_ms": ("in", "|"), "to_wire_ms": ("to the wire", "o"), "from_wire_ms": ("from the wire", ">")}

TIMES, MULTIPLES = ("0.1 ms", "1 ms", "10 ms", "100 ms", "1 s"), ("0.1×", "1×", "10×", "100×", "1000×")


def figure(table: Table) -> Figure:
    """Distribution functions for each emulated delay, with theory dotted, above the parts of the delay."""
    made = style.figure(conclusion(table.summary))
    for column, delay_ms in enumerate(ONE_WAY_DELAYS_MS):
        rows = table.summary[table.summary.one_way_delay_ms == delay_ms]
        left = 0.075 + 0.49 * column
        axes = made.add_axes((left, 0.47, 0.415, 0.36))
        title = f"{delay_ms:g} ms emulated delay each way" if delay_ms else "loopback: WebSocket's median delay = 1"
        axes.set_title(title, pad=10)
        distribution(axes, rows, table, relative=not delay_ms)
        parts(
            made.add_axes((left + 0.09, 0.145, 0.325, 0.215)),
            mean_parts(rows, table, relative=not delay_ms),
            rows,
            relative=not delay_ms,
        )
    style.footnote(
        made,
        f"{RATE_HZ:g} messages/s, client libraries. Delays count from when a message was due. Dotted: theory "
        "(on loopback, 0 for held and pushed).",
    )
    return made


def conclusion(summary: pd.DataFrame) -> str:
    """What the delays say, where a network's delay outweighs the machine's."""
    far = summary[summary.one_way_delay_ms == 25].set_index(["variant", "pause_s"]).delay_mean_ms
    pushed = [far[variant.name, 0.0] for variant in VARIANTS.values() if not variant.pauses]
    return (
        f"At {RATE_HZ:g} messages/s with 25\u00a0ms each way, polling every second delays a message by "
        f"{words.seconds(far['short_poll', 1.0])} on average; held requests and pushes take "
        f"{words.seconds(min(pushed))} to {words.seconds(max(pushed))}"
    )


def units_ms(table: Table) -> "pd.Series[float]":
    """By session: the median delay of BASE on loopback."""
    runs = table.runs[
        (table.runs.variant == BASE)
        & (table.runs.one_way_delay_ms == 0)
        & (~table.runs.suspect | table.runs.suspect.all())
    ]
    its = table.deliveries[table.deliveries.run.isin(runs.run)]
    delays = its.received_ms - its.due_ms
    return delays.groupby(its.run.map(sessions(table.runs))).median()


def sessions(runs: pd.DataFrame) -> "pd.Series[str]":
    """By run, the name of its session; all the same where there is one only."""
    named = runs.session if "session" in runs else pd.Series("", index=runs.index)
    return pd.Series(named.to_numpy(), index=runs.run.to_numpy())


def mean_parts(rows: pd.DataFrame, table: Table, relative: bool) -> pd.DataFrame:
    """The parts of each condition in `rows`: in ms, or as multiples of its session's unit, averaged over sessions."""
    if not relative:
        return rows[[*PARTS]]
    units = units_ms(table)
    if not len(table.sessions):
        return rows[[*PARTS]] / float(units.iloc[0])
    keys = list(CONDITION_COLUMNS)
    each = rows[keys].merge(table.sessions, on=keys)
    each[[*PARTS]] = each[[*PARTS]].div(each.session.map(units), axis=0)
    return rows[keys].merge(each.groupby(keys, as_index=False)[[*PARTS]].mean(), on=keys, how="left")[[*PARTS]]


def distribution(axes: Axes, rows: pd.DataFrame, table: Table, relative: bool) -> None:
    """Share of messages that had arrived, over time."""
    axes.set_xscale("log")
    draw(axes, rows, table, np.geomspace(0.1, 3000, 600), relative)
    axes.set(xlim=(0.2, 900) if relative else (0.3, 1500), ylim=(0, 1.03), ylabel="arrived")
    style.plain_ticks(axes.xaxis, [1, 10, 100, 1000], MULTIPLES[1:] if relative else TIMES[1:])
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_yticks([0, 0.5, 1])
    names(axes, rows, beside=relative)


def draw(
    axes: Axes, rows: pd.DataFrame, table: Table, xs: "np.ndarray[tuple[int], np.dtype[np.float64]]", relative: bool
) -> None:
    """Each condition's distribution function, stepped, and its formula, dotted; over ms, or multiples of the unit."""
    units, its_session = units_ms(table) if relative else pd.Series({"": 1.0}), sessions(table.runs)
    for row in style.apart(rows).itertuples():
        its = table.runs[same(table.runs, row)].run
        d = table.deliveries[table.deliveries.run.isin(its)]
        unit_ms = d.run.map(its_session).map(units) if relative else 1.0
        delays = np.sort(((d.received_ms - d.due_ms) / unit_ms).dropna().to_numpy())
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
        shares = [model.share_within(x * float(units.mean()) / 1000) for x in xs]
        axes.plot(xs, shares, ":", color=style.INK, linewidth=2)


def names(axes: Axes, rows: pd.DataFrame, beside: bool) -> None:
    """The names of what is held or pushed, in a column beside the curves; these are too close to name each alone."""
    pushed = style.apart(rows[rows.pause_s == 0]).sort_values("delay_mean_ms", ascending=False)
    x = 3.5 if beside else pushed.delay_mean_ms.min() * 0.55
    for place, row in enumerate(pushed.itertuples()):
        y = 0.88 - 0.11 * place
        shade = style.colour(row.variant)
        axes.plot(x, y, style.marker(row.variant), color=shade)
        axes.annotate(
            words.title(row.variant), (x, y), xytext=(14 if beside else -14, 0), textcoords="offset points",
            ha="left" if beside else "right", va="center", color=shade, fontsize=style.SMALL, weight="bold",
        )  # fmt: skip


def parts(axes: Axes, means: pd.DataFrame, rows: pd.DataFrame, relative: bool) -> None:
    """For each variant, the mean of each part of a message's delay, in ms or as multiples of the unit."""
    axes.set_xscale("log")
    for y, (row, its) in enumerate(zip(rows.iloc[::-1].itertuples(), means.iloc[::-1].itertuples(), strict=True)):
        for name, (_, shape) in PARTS.items():
            axes.plot(
                max(getattr(its, name), 0.1), y, shape, color=style.colour(row.variant), markersize=17,
                markeredgewidth=4 if shape == "|" else 1,
            )  # fmt: skip
    names = [words.row_title(row.variant, row.pause_s) for row in rows.iloc[::-1].itertuples()]
    axes.set_yticks(range(len(rows)), names)
    axes.set_xlabel("mean of each part of the delay", fontsize=style.SMALL)
    for tick, row in zip(axes.get_yticklabels(), rows.iloc[::-1].itertuples(), strict=True):
        tick.set_color(style.colour(row.variant))
        tick.set_fontweight("bold")
    axes.set(xlim=(0.1, 1500), ylim=(-0.5, len(rows) - 0.4))
    axes.grid(axis="y", color=style.PALE)
    style.plain_ticks(axes.xaxis, [0.1, 1, 10, 100, 1000], MULTIPLES if relative else TIMES)
    said = "     ".join(f"{ {'|': '┃', 'o': '●', '>': '▶'}[shape] } {name}" for name, shape in PARTS.values())
    axes.set_title(said, fontsize=style.SMALL, loc="left", pad=8)


def same(runs: pd.DataFrame, row: object) -> "pd.Series[bool]":
    """Which runs are of the condition of `row`: those that are not suspect, if there are any."""
    chosen = runs.one_way_delay_ms == row.one_way_delay_ms  # type: ignore[attr-defined]
    for name in ("variant", "pause_s", "rate_hz", "client", "headers", "clients"):
        chosen &= runs[name] == getattr(row, name)
    return chosen & (~runs.suspect if not bool(runs.suspect[chosen].all()) else True)
