"""What does an open connection cost the server's memory?

Readers connect to a fresh server until there are 1,500 of them, or as many as the server accepts. Its resident memory
is measured at four numbers of readers, each time when all of them have received a message and all is quiet. The chart
shows the slope: what one more reader costs.

The server's recorder only counts, so what readers were sent is not in its memory. The tap, which measures bytes in all
other questions, is part of the server; what it takes was measured by leaving it out, with a task per reader on both
sides: the hub writes through the tap, and there is none without it. What the *kernel* keeps for a connection, its
sockets and their buffers, is not in a process's resident memory and so not in these numbers.

Nothing is compressed. A short poller keeps its connection open between two polls, as a browser does; so do, idle, the
connections that Socket.IO has polled over before its upgrade. Python's objects are large, and other servers need other
amounts of memory: compare the ratios.

What a reader costs in CPU is in the chart about load, and in bytes in the one about overhead.
"""

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from experiments.analysis import costs
from experiments.analysis.tables import Table
from experiments.design import every_variant
from experiments.report import style, words
from experiments.variants import VARIANTS

TITLE = "Connections"
READERS = 1_500
PAUSE_S = 10.0
"""Of short polling: long enough that hardly any request is open when memory is measured."""

TAPPED = [
    replace(condition, pause_s=PAUSE_S if condition.kind.pauses else 0.0)
    for condition in every_variant(rate_hz=0.0, client="raw", clients=READERS, measures="memory")
]
CONDITIONS = [
    *TAPPED,
    *(
        replace(condition, tap=tap, fan_out="tasks")
        for tap in (True, False)
        for condition in TAPPED
        if condition.variant == "websocket"
    ),
]


def figure(table: Table) -> Figure:
    """One bar per variant, with the interval of its slope."""
    made = style.figure(conclusion(table.summary))
    axes = made.add_axes((0.24, 0.15, 0.6, 0.66))
    cost = costs.memory(table.runs).set_index("variant")
    known = (cost.kb + cost.half_kb).dropna()
    most = float(known.max()) if len(known) else 1.0
    for place, variant in enumerate(VARIANTS):
        kb, half_kb = float(cost.kb[variant]), float(cost.half_kb[variant])
        if kb != kb:
            axes.text(0, -place, " not measured", va="center", color=style.colour(variant))
            continue
        error = {"linewidth": 3, "capsize": 8}
        axes.barh(-place, kb, 0.62, xerr=half_kb, color=style.colour(variant), error_kw=error)
        at = kb + half_kb + 0.015 * most
        axes.text(at, -place, words.kilobytes(kb), va="center", weight="bold", color=style.colour(variant))
    axes.set_yticks([-place for place in range(len(VARIANTS))], [words.row_title(variant) for variant in VARIANTS])
    for label, variant in zip(axes.get_yticklabels(), VARIANTS, strict=True):
        label.set_color(style.colour(variant))
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.15 * most)
    axes.set_xlabel("resident memory of the server per connected reader, kB")
    style.footnote(
        made,
        f"Slope over up to {READERS:,} readers. Without the kernel's memory.\n"
        f"{words.slope_ends(table.summary.sessions.max())} {tap_share(table.runs)}",
    )
    return made


def tap_share(frame: pd.DataFrame) -> str:
    """How much of a reader's memory is the tap's, with its interval, in words."""
    share = words.interval(*costs.tap_share(costs.memory, frame), "kB")
    return f"The tap's part, with a task per reader: {share}."


def conclusion(summary: pd.DataFrame) -> str:
    """What is held open, and what Socket.IO adds."""
    kb = costs.memory(summary).set_index("variant").kb
    if kb.isna().any():
        return "Too many runs are suspect to say what an open connection costs this server's memory"
    return (
        f"An open SSE stream costs this server {words.kilobytes(kb['sse'])} of memory, a WebSocket "
        f"{words.kilobytes(kb['websocket'])}, a held poll {words.kilobytes(kb['long_poll'])}, and Socket.IO "
        f"{words.kilobytes(kb['socket_io upgrade'])}"
    )
