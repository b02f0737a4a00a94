"""What does an open connection cost the server's memory?

Two hundred readers are compared with five, on fresh servers: the difference in the server's resident memory, divided
by the 195 readers more, is what one of them costs. It is looked at when all are connected and have received a message
or two, before a minute of silence, so that what the measurement itself keeps of the traffic is next to nothing.

Nothing is compressed. A short poller asks every second, and keeps its connection open in between, as a browser does;
so stay those open, idle, that Socket.IO has polled over before it went over to WebSocket. Python's objects are large,
and the memory of other servers is another; the ratios within one server are what can be compared.

What a reader costs in CPU is in the chart about rates, and in bytes in the one about overhead.
"""

import pandas as pd
from matplotlib.figure import Figure

from experiments.analysis import costs
from experiments.analysis.tables import Table
from experiments.design import every_variant
from experiments.report import style, words
from experiments.variants import VARIANTS

TITLE = "Connections"
FEW, MANY = 5, 200
CONDITIONS = [
    condition for clients in (FEW, MANY) for condition in every_variant(rate_hz=0.0, client="raw", clients=clients)
]


def figure(table: Table) -> Figure:
    """One bar per way, with the range over runs."""
    made = style.figure(conclusion(table.summary))
    axes = made.add_axes((0.24, 0.13, 0.6, 0.68))
    each, spread = costs.memory_kb(table.summary, FEW, MANY), costs.memory_spread_kb(table.runs, FEW, MANY)
    for place, variant in enumerate(VARIANTS):
        half = spread[variant]
        error = {} if half != half else {"xerr": half, "error_kw": {"linewidth": 3, "capsize": 8}}
        axes.barh(-place, each[variant], 0.62, color=style.colour(variant), **error)
        at = each[variant] + (0.0 if half != half else half) + 0.015 * each.max()
        axes.text(
            at, -place, f"{each[variant]:.0f}{words.NARROW}kB", va="center", weight="bold", color=style.colour(variant)
        )
    axes.set_yticks([-place for place in range(len(VARIANTS))], [words.row_title(variant) for variant in VARIANTS])
    for label, variant in zip(axes.get_yticklabels(), VARIANTS, strict=True):
        label.set_color(style.colour(variant))
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.15 * each.max())
    axes.set_xlabel("resident memory of the server per connected reader, kB")
    style.footnote(
        made,
        f"(memory with {MANY} readers - with {FEW}) / {MANY - FEW}. CPython, uvicorn. Bars: half the range over runs.",
    )
    return made


def conclusion(summary: pd.DataFrame) -> str:
    """Which stream is the lighter one to keep open, and what Socket.IO adds."""
    each = costs.memory_kb(summary, FEW, MANY)
    return (
        f"An open SSE stream costs this server {each['sse']:.0f}{words.NARROW}kB of memory, a WebSocket "
        f"{each['websocket']:.0f}{words.NARROW}kB, a held poll {each['long_poll']:.0f}{words.NARROW}kB, and "
        f"Socket.IO {each['socket_io upgrade']:.0f}{words.NARROW}kB"
    )
