"""Which layer do the bytes belong to?

Socket.IO is built of layers: *HTTP*, which everything begins with; *WebSocket*, whose frames carry everything after
the upgrade; *Engine.IO*, which makes a session out of polls or a WebSocket, and checks now and then that the other
side is still there; and *Socket.IO* itself, with named events and acknowledgements. Each byte around the messages is
attributed to its layer.

On the left is what it takes to connect, once. By default Socket.IO opens a session by polling, sends its cursor, and
then probes whether WebSocket gets through: it pays for several requests before the last one, which is the upgrade. How
many empty responses there are meanwhile depends on timing, and differs from run to run. On the right is
what surrounds each message from then on.

One message per second, no added delay, request headers of a browser, without cookies. A heartbeat that falls into the
window counts too, a few bytes among many messages.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.tables import Table
from experiments.design import Condition, every_variant
from experiments.report import style, words

TITLE = "Layers"
COMPARED = ("websocket", "socket_io upgrade", "socket_io websocket", "socket_io polling")
CONDITIONS: list[Condition] = [
    condition for condition in every_variant(client="raw", headers="browser") if condition.variant in COMPARED
]
LAYERS = {
    "HTTP": (("request_head", "response_head", "chunk"), "#C75B2A"),
    "WebSocket": (("frame",), "#2A6F97"),
    "Engine.IO": (("engine_io",), "#6A3D9A"),
    "Socket.IO": (("socket_io",), "#CAB2D6"),
    "other": (("control",), "#8C8C8C"),
}
"""What the bars are made of: the ledger's categories.

`other` is the cursor that a WebSocket begins with, its pings, and the `OK` of a response.
"""


def figure(table: Table) -> Figure:
    """What connecting costs, and what surrounds each message, layer by layer."""
    made = style.figure(conclusion(table.summary))
    for column, (said, named) in enumerate((("to connect, once", True), ("around each message", False))):
        axes = made.add_axes((0.165 + 0.475 * column, 0.14, 0.34, 0.6))
        axes.set_title(said, pad=14)
        axes.set_xlabel("TCP payload bytes, both ways")
        bars(axes, table.summary, "setup" if named else "message", named)
    x = 0.165
    for name, (_, shade) in LAYERS.items():
        made.text(x, 0.82, "\u25a0", color=shade, fontsize=28, va="center")
        made.text(x + 0.018, 0.82, name, fontsize=style.TEXT, va="center")
        x += 0.045 + 0.0095 * len(name)
    style.footnote(
        made,
        f"1 message/s, a browser's headers, raw clients, no added delay. {words.ends(table.summary.sessions.max())}",
    )
    return made


def parts(row: "pd.Series[float]", what: str) -> dict[str, float]:
    """Bytes per layer, to connect (`setup`) or around each `message`."""
    names = ("setup_{}_bytes",) if what == "setup" else ("up_{}_bytes_per_message", "down_{}_bytes_per_message")
    found = {}
    for layer, (categories, _) in LAYERS.items():
        values = [row.get(name.format(category)) for category in categories for name in names]
        found[layer] = float(sum(value for value in values if value is not None and value == value))
    return found


def conclusion(summary: pd.DataFrame) -> str:
    """What Socket.IO's layers cost, beside WebSocket's alone."""
    rows = summary.set_index("variant")
    once = {variant: sum(parts(rows.loc[variant], "setup").values()) for variant in COMPARED}
    each = {variant: sum(parts(rows.loc[variant], "message").values()) for variant in COMPARED}
    return (
        f"On loopback, connecting costs a browser {words.size(once['socket_io upgrade'])} with Socket.IO and "
        f"{words.size(once['websocket'])} with WebSocket alone; around each message are "
        f"{words.size(each['socket_io upgrade'])} with Socket.IO over WebSocket, "
        f"{words.size(each['socket_io polling'])} when it polls, and {words.size(each['websocket'])} with WebSocket "
        "alone"
    )


def bars(axes: Axes, summary: pd.DataFrame, what: str, named: bool) -> None:
    """A stacked bar per variant, with the sizes of its parts above it."""
    rows = summary.set_index("variant")
    every = {variant: parts(rows.loc[variant], what) for variant in COMPARED}
    most = max(sum(found.values()) for found in every.values())
    for place, (variant, found) in enumerate(every.items()):
        left = 0.0
        for layer, size in found.items():
            axes.barh(-place, size, 0.5, left=left, color=LAYERS[layer][1])
            left += size
        if what == "setup":
            ends = [rows.setup_bytes_low[variant], rows.setup_bytes_high[variant]]
            axes.plot(ends, [-place, -place], "|-", color=style.INK, markersize=18)
        said = ", ".join(f"{layer} {size:.0f}" for layer, size in found.items() if round(size) > 0.002 * left)
        axes.text(0, -place + 0.37, f"{words.size(left)}: {said}", fontsize=style.SMALL, va="center")
    axes.set(xlim=(0, most * 1.3), ylim=(-len(COMPARED) + 0.55, 0.62))
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= most * 1.3])
    axes.set_yticks(
        [-place for place in range(len(COMPARED))], [words.row_title(variant) if named else "" for variant in COMPARED]
    )
    for label, variant in zip(axes.get_yticklabels(), COMPARED, strict=True):
        label.set_color(style.colour(variant))
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
