"""What does a busy server spend on a response or a push?

A server is sized by what it does under load, not by what it does when it is nearly idle. So each variant is measured
while the server uses 10 to 60 % of a core, at two loads: pollers that poll more and more often, or readers that are
sent more and more messages. The chart shows the slope: the CPU time of one more response or push. What publishing costs
is measured at the same rates without readers, and taken out.

Two kinds of server are compared. With a *task* per reader, each reader is woken for each message, and every poll goes
through uvicorn and its handler: that is how a server is usually written. The *hub* shares work: a message is encoded
once and written to every reader, and a poll that is like one that was let in before gets its response from the tap.

The readers only count, in another process, and cost less CPU than the server; a run where they or the publisher were
the limit is suspect. The recorder only counts, too.

A server that is nearly idle spends more on the same response or push, because it sleeps and is woken up for every
single message. That is not the transport's doing, and no figure to size a server by; it stands below the chart of
Rate. Where the server was less busy than it should be, the chart says so.

The tap, which measures bytes in all other questions, is part of this server. What it adds to a push was measured by
leaving it out, with a task per reader on both sides: the hub writes through the tap, and there is none without it.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis import costs
from experiments.analysis.tables import Table
from experiments.design import FAN_OUTS, Condition, FanOut
from experiments.report import loads, style, words
from experiments.report.crowds import microseconds
from experiments.variants import VARIANTS

TITLE = "Load"
READERS = 200
PAUSES_S = {"hub": (0.012, 0.005), "tasks": (0.1, 0.04)}
HELD_HZ = {"hub": (35.0, 80.0), "tasks": (8.0, 20.0)}
PUSHED_HZ = {"hub": (130.0, 320.0), "tasks": (25.0, 55.0)}
SESSION_HZ = (6.0, 12.0)
"""For polls of Socket.IO, which the hub has no part in."""

MEASURED = [variant for variant in VARIANTS.values() if not variant.coincides_with]


def busy(name: str, **fields: object) -> Condition:
    """Readers of a variant that only count."""
    variant = VARIANTS[name]
    return Condition(variant.transport, via=variant.via, client="raw", measures="cpu", **fields)  # type: ignore[arg-type]


def at_loads(name: str, fan_out: FanOut, **fields: object) -> list[Condition]:
    """A variant at its two loads."""
    variant, fields = VARIANTS[name], {"clients": READERS, "fan_out": fan_out, **fields}
    if variant.pauses:
        return [busy(name, pause_s=pause_s, rate_hz=5.0, **fields) for pause_s in PAUSES_S[fan_out]]
    rates_hz = (HELD_HZ[fan_out] if variant.batches else SESSION_HZ) if variant.polls else PUSHED_HZ[fan_out]
    return [busy(name, rate_hz=rate_hz, **fields) for rate_hz in rates_hz]


CONDITIONS = [
    *(condition for fan_out in FAN_OUTS for variant in MEASURED for condition in at_loads(variant.name, fan_out)),
    *at_loads("websocket", "tasks", tap=False),
    *(busy("websocket", rate_hz=rate_hz, clients=0) for rate_hz in (20.0, max(PUSHED_HZ["hub"]))),
]


def figure(table: Table) -> Figure:
    """The cost of one response or push, with its interval."""
    made = style.figure(conclusion(table.summary))
    axes = made.add_axes((0.21, 0.235, 0.6, 0.575))
    bars(axes, table.runs)
    style.footnote(
        made,
        f"{loads.key()}\n{READERS} readers on loopback, raw clients, a library's headers. "
        f"{words.slope_ends(table.summary.sessions.max())}\n{loads.busy(table.runs)}\n{tap_share(table.runs)}",
    )
    return made


def bars(axes: Axes, runs: pd.DataFrame) -> None:
    """Two bars per variant that was measured: with the hub, and with tasks."""
    cost = {how: costs.load(runs, fan_out=how).set_index("variant") for how in FAN_OUTS}
    names = [variant.name for variant in MEASURED]
    most = max((float((its.ms + its.half_ms).max()) for its in cost.values() if its.ms.notna().any()), default=0.001)
    for place, name in enumerate(names):
        for how, off in zip(FAN_OUTS, (0.2, -0.2), strict=True):
            at, shade = off - place, style.colour(name)
            us, half_us = 1000 * float(cost[how].ms[name]), 1000 * float(cost[how].half_ms[name])
            if us != us:
                axes.text(0, at, f" {how}: not measured", va="center", color=shade)
                continue
            face = shade if how == "hub" else "white"
            error = {"linewidth": 3, "capsize": 6}
            axes.barh(at, us, 0.34, xerr=half_us, facecolor=face, edgecolor=shade, linewidth=3, error_kw=error)
            said = f"{microseconds(us)}, {how}"
            axes.text(us + half_us + 15 * most, at, said, va="center", weight="bold", color=shade)
    axes.set_yticks([-place for place in range(len(names))], [words.row_title(name) for name in names])
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(style.colour(name))
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1050 * most)
    axes.set_xlabel("server CPU per response or push, µs")


def tap_share(frame: pd.DataFrame) -> str:
    """What the tap adds to a push, with its interval, in words."""
    share, half = costs.tap_share(costs.load, frame)
    return f"The tap's part of a push, with a task per reader: {words.interval(1000 * share, 1000 * half, 'µs')}."


def conclusion(summary: pd.DataFrame) -> str:
    """What a response costs beside a push."""
    tasks, hub = (costs.load(summary, fan_out=how).set_index("variant").ms for how in ("tasks", "hub"))
    names = [variant.name for variant in MEASURED]
    if tasks[names].isna().any() or hub[names].isna().any():
        return loads.undecided()
    return loads.concluded(1000 * tasks, 1000 * hub)
