"""What does a busy server spend on a response or a push?

A server is sized by what it does under load, not by what it does when it is nearly idle. So each variant is measured
while the server is busy, at three loads: pollers that poll more and more often, or readers that are sent more and more
messages. The chart shows the slope: the CPU time of one more response or push. What publishing costs is measured at
the same rates without readers, and taken out.

The readers only count, in another process, and cost less CPU than the server; a run where they or the publisher were
the limit is suspect. The recorder only counts, too.

A server that is nearly idle spends more on the same response or push, because it sleeps and is woken up for every
single message. That is not the transport's doing, and no figure to size a server by; it stands below the chart of
Rate.

The tap, which measures bytes in all other questions, is part of this server. What it adds to a push was measured by
leaving it out, with a task per reader on both sides: the hub writes through the tap, and there is none without it.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis import costs
from experiments.analysis.tables import Table
from experiments.design import Condition
from experiments.report import style, words
from experiments.variants import VARIANTS

TITLE = "Load"
READERS = 50
PAUSES_S = (0.05, 0.02, 0.012)
POLLED_HZ = (20.0, 50.0, 90.0)
PUSHED_HZ = (80.0, 180.0, 300.0)
MEASURED = [variant for variant in VARIANTS.values() if not variant.coincides_with]


def busy(name: str, **fields: object) -> Condition:
    """Readers of a variant that only count."""
    variant = VARIANTS[name]
    return Condition(variant.transport, via=variant.via, client="raw", measures="cpu", **fields)  # type: ignore[arg-type]


def loads(name: str, **fields: object) -> list[Condition]:
    """A variant at its three loads."""
    variant = VARIANTS[name]
    if variant.pauses:
        return [busy(name, pause_s=pause_s, rate_hz=5.0, clients=READERS, **fields) for pause_s in PAUSES_S]
    rates_hz = POLLED_HZ if variant.polls else PUSHED_HZ
    return [busy(name, rate_hz=rate_hz, clients=READERS, **fields) for rate_hz in rates_hz]


CONDITIONS = [
    *(condition for variant in MEASURED for condition in loads(variant.name)),
    *loads("websocket", tap=False, fan_out="tasks"),
    *loads("websocket", fan_out="tasks")[1:],  # the least load hardly moves a slope
    *(busy("websocket", rate_hz=rate_hz, clients=0) for rate_hz in PUSHED_HZ),
]


def figure(table: Table) -> Figure:
    """The cost of one response or push, with its interval."""
    made = style.figure(conclusion(table.summary))
    axes = made.add_axes((0.24, 0.15, 0.6, 0.66))
    bars(axes, costs.load(table.runs).set_index("variant"))
    style.footnote(
        made,
        f"{READERS} readers on loopback, raw clients, a library's headers; server at {work(table.runs)} of a core.\n"
        f"{words.slope_ends(table.summary.sessions.max())} {tap_share(table.runs)}",
    )
    return made


def work(runs: pd.DataFrame) -> str:
    """How busy the server was: from the least to the most in any run with readers, in percent of a core."""
    its = runs[runs.clients > 0]
    its = its if its.suspect.all() else its[~its.suspect]
    percent = its.server_cpu_ms / its.window_s / 10
    return f"{percent.min():.0f} to {percent.max():.0f} %"


def bars(axes: Axes, cost: pd.DataFrame) -> None:
    """One bar per variant that was measured."""
    names = [variant.name for variant in MEASURED]
    known = (cost.ms + cost.half_ms).dropna()
    most = float(known.max()) if len(known) else 1.0
    for place, name in enumerate(names):
        ms, half_ms = float(cost.ms[name]), float(cost.half_ms[name])
        if ms != ms:
            axes.text(0, -place, " not measured", va="center", color=style.colour(name))
            continue
        axes.barh(-place, ms, 0.62, xerr=half_ms, color=style.colour(name), error_kw={"linewidth": 3, "capsize": 8})
        axes.text(
            ms + half_ms + 0.015 * most, -place, words.cpu(ms), va="center", weight="bold", color=style.colour(name)
        )
    axes.set_yticks([-place for place in range(len(names))], [words.row_title(name) for name in names])
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(style.colour(name))
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.2 * most)
    axes.set_xlabel("server CPU per response or push, ms")


def tap_share(frame: pd.DataFrame) -> str:
    """What the tap adds to a push, with its interval, in words."""
    share = words.interval(*costs.tap_share(costs.load, frame), "ms")
    return f"The tap's part of a push, with a task per reader: {share}."


def conclusion(summary: pd.DataFrame) -> str:
    """What a response costs beside a push."""
    cost = costs.load(summary).set_index("variant").ms
    if cost[[variant.name for variant in MEASURED]].isna().any():
        return "Too many runs are suspect to say what a response or a push costs this server under load"
    return (
        f"Under load, a short poll costs this server {words.cpu(cost['short_poll'])} of CPU and a long poll "
        f"{words.cpu(cost['long_poll'])}; a push over WebSocket {words.cpu(cost['websocket'])}, over SSE "
        f"{words.cpu(cost['sse'])}, over Socket.IO {words.cpu(cost['socket_io upgrade'])}"
    )
