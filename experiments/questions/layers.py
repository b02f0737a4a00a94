"""Which layer do the bytes belong to?

Socket.IO is made of layers: *HTTP*, which everything begins with; *WebSocket*, whose frames carry what comes after the
upgrade; *Engine.IO*, which makes a session of polls or of a WebSocket, and asks now and then whether the other side is
there; and *Socket.IO* itself, with named events and acknowledgements. Each byte around the messages is put down to
the layer that it belongs to.

On the left is what it takes to connect, once: with Socket.IO's usual way a session is opened by polling, the client
says where it was, and probes whether WebSocket gets through, so it pays for several requests before the last one is
the upgrade. How many polls are answered with nothing meanwhile depends on timing, and differs from run to run. On the
right is what is around each message from then on.

One message per second, nothing delayed, and the heads of a browser's requests, without cookies. A heartbeat that falls
into the window counts too, a few bytes among many messages.
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

`other` is where a WebSocket's stream begins, its pings, and an answer's `OK`.
"""


def figure(table: Table) -> Figure:
    """What connecting takes, and what is around each message, layer by layer."""
    made = style.figure(conclusion(table.summary))
    for column, (said, named) in enumerate((("to connect, once", True), ("around each message", False))):
        axes = made.add_axes((0.165 + 0.475 * column, 0.14, 0.34, 0.6))
        axes.set_title(said, pad=14)
        axes.set_xlabel("bytes, above TCP, both ways")
        bars(axes, table.summary, "setup" if named else "message", named)
    x = 0.165
    for name, (_, shade) in LAYERS.items():
        made.text(x, 0.82, "\u25a0", color=shade, fontsize=28, va="center")
        made.text(x + 0.018, 0.82, name, fontsize=style.TEXT, va="center")
        x += 0.045 + 0.0095 * len(name)
    style.footnote(made, "1 message/s, a browser's headers, no added delay, nothing compressed. Bars: range over runs.")
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
    """What Socket.IO's layers take, beside those of WebSocket alone."""
    rows = summary.set_index("variant")
    once = {variant: sum(parts(rows.loc[variant], "setup").values()) for variant in COMPARED}
    each = {variant: sum(parts(rows.loc[variant], "message").values()) for variant in COMPARED}
    return (
        f"To connect, Socket.IO takes {words.size(once['socket_io upgrade'])}, WebSocket alone "
        f"{words.size(once['websocket'])}; around each message it puts {words.size(each['socket_io upgrade'])} over "
        f"WebSocket and {words.size(each['socket_io polling'])} when it polls, WebSocket alone "
        f"{words.size(each['websocket'])}"
    )


def bars(axes: Axes, summary: pd.DataFrame, what: str, named: bool) -> None:
    """A stacked bar per way, with its parts' sizes written beside it."""
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
    axes.set_yticks(
        [-place for place in range(len(COMPARED))], [words.row_title(variant) if named else "" for variant in COMPARED]
    )
    for label, variant in zip(axes.get_yticklabels(), COMPARED, strict=True):
        label.set_color(style.colour(variant))
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
