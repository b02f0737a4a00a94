"""What does a delivered message cost on the wire?

Every byte that crossed the server's socket is put into one category, and the categories add up to what the tap
counted. Each bar is the cost of one delivered message: the message itself, which is the same on every transport, and
everything that the transport put around it or sent without one. Bytes are TCP payload bytes. Where the system counts
TCP segments, their number is beside the bars; each has 52 bytes of headers.

A poll costs a request and a response whether or not there is news, so the rarer the messages, the more each one costs.
Where messages are pushed, only heartbeats grow with the silence between them. A silent minute is shown by itself. Its
cost is how often one side says "still here": requests every second, or held for 25 s; a comment every 15 s over SSE; a
ping and a pong every 20 s over WebSocket. These are this server's settings, and common ones. Socket.IO has pings of
its own every 25 s, on top of those of its WebSocket; when it polls, each is the response to the held request, and is
acknowledged by a request.

Socket.IO is shown with its default, polling first and then WebSocket, and with each of the two alone. Its part of the
framing is *Engine.IO*, the layer that makes a session out of polls or a WebSocket, and *Socket.IO*, the events on top:
`4` and `2["message",...]` around every message.

A script sends few headers, a browser more. Both are shown: *library* is what httpx, websockets and aiohttp send,
*browser* is what Chromium sends, here without cookies. The raw client sends both, byte for byte; it answers pings and
sends none of its own. What a connection costs before its first message is in the table, as set-up.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.tables import Table
from experiments.design import every_variant
from experiments.report import style, words
from experiments.variants import VARIANTS

TITLE = "Overhead"
RATES_HZ = (1.0, 0.1, 0.0)
CONDITIONS = [
    condition
    for rate_hz in RATES_HZ
    for headers in ("library", "browser")
    for condition in every_variant(rate_hz=rate_hz, client="raw", headers=headers)
]
CATEGORIES = {
    "message": (("down_payload",), "#8C8C8C"),
    "request head": (("up_request_head",), "#C75B2A"),
    "response head": (("down_response_head",), "#E8A87C"),
    "framing": (("down_poll_body", "down_chunk", "down_sse_field", "down_frame", "up_frame"), "#2A6F97"),
    "Engine.IO": (("up_engine_io", "down_engine_io"), "#6A3D9A"),
    "Socket.IO": (("up_socket_io", "down_socket_io"), "#CAB2D6"),
    "control": (("up_control", "down_control", "up_publication"), "#A9D6E5"),
}
"""What the bars are made of: the ledger's categories, some of them combined."""

LIMITS_Y = (-len(VARIANTS) + 0.45, 0.6)
LEFT, WIDTH = 0.155, 0.85


def figure(table: Table) -> Figure:
    """Stacked bars per delivered message at two rates, and the cost of a silent minute."""
    made = style.figure(conclusion(table.summary))
    rates = [rate for rate in RATES_HZ if rate and (table.summary.rate_hz == rate).any()]
    silence = table.summary[table.summary.rate_hz == 0]
    panels = len(rates) + bool(len(silence))
    for column, rate_hz in enumerate(rates):
        axes = made.add_axes((LEFT + column * WIDTH / panels, 0.15, WIDTH / panels - 0.05, 0.6))
        bars(axes, table.summary[table.summary.rate_hz == rate_hz], named=column == 0, crowded=panels > 1)
        every = "1 message per second" if rate_hz == 1 else f"1 message per {1 / rate_hz:g} s"
        axes.set_title(every, pad=14)
        axes.set_xlabel("bytes per delivered message")
    if len(silence):
        axes = made.add_axes((LEFT + len(rates) * WIDTH / panels, 0.15, WIDTH / panels - 0.085, 0.6))
        silent(axes, silence)
    key(made)
    style.footnote(
        made,
        "TCP payload bytes. Upper bars: a library's headers; lower: a browser's. "
        f"Polls: every {VARIANTS['short_poll'].usual_pause_s:g} s, or held {VARIANTS['long_poll'].hold_s:g} s. "
        f"Heartbeats: SSE {VARIANTS['sse'].heartbeat_s:g} s, WebSocket {VARIANTS['websocket'].heartbeat_s:g} s.",
    )
    return made


def conclusion(summary: pd.DataFrame) -> str:
    """What a message costs a browser, at the lowest rate that was measured."""
    rare = summary[(summary.rate_hz > 0) & (summary.headers == "browser")]
    rare = rare[rare.rate_hz == rare.rate_hz.min()].set_index("variant").bytes_per_message
    every = summary[(summary.rate_hz > 0)].rate_hz.min()
    often = "second" if every == 1 else f"{1 / every:g} s"
    return (
        f"At one message per {often}, each costs a browser that polls every second "
        f"{words.size(rare['short_poll'])}; over SSE {words.size(rare['sse'])}, over WebSocket "
        f"{words.size(rare['websocket'])}, with Socket.IO {words.size(rare['socket_io upgrade'])}"
    )


def bars(axes: Axes, rows: pd.DataFrame, named: bool, crowded: bool) -> None:
    """Two stacked bars per variant, with requests and segments beside them."""
    most = rows.bytes_per_message.max()
    for row in rows.to_dict("records"):
        y = position(row)
        left = 0.0
        for parts, shade in CATEGORIES.values():
            width = sum(row.get(f"{part}_bytes_per_message", 0.0) or 0.0 for part in parts)
            axes.barh(y, width, 0.38, left=left, color=shade)
            left += width
        segments = row["segments_per_message"]
        asked = words.count(row["requests_per_message"], "request")
        extra = f", {asked}" if row["headers"] == "browser" else ""
        if segments == segments and row["headers"] == "library":
            extra = f", {words.count(segments, 'segment')}"
        whose = f", {row['headers']}" if row["pause_s"] else ""
        axes.text(left + most * 0.02, y, f"{left:,.0f} B{whose}{extra}", fontsize=style.SMALL, va="center")
    axes.set(xlim=(0, most * (3.35 if crowded else 1.6)), ylim=LIMITS_Y)
    axes.locator_params(axis="x", nbins=3)
    ticks(axes, named)


def silent(axes: Axes, rows: pd.DataFrame) -> None:
    """What a minute without a message costs; a log scale, because the differences are so large."""
    axes.set_xscale("log")
    for row in rows.to_dict("records"):
        value = max(row["bytes_per_minute"], 1)
        axes.barh(position(row), value, 0.38, left=1, color=style.colour(row["variant"]))
        axes.text(value * 1.25, position(row), words.size(row["bytes_per_minute"]), fontsize=style.SMALL, va="center")
    axes.set(xlim=(1, rows.bytes_per_minute.max() * 25), ylim=LIMITS_Y)
    style.plain_ticks(axes.xaxis, [1, 100, 10_000], ["1 B", "100 B", "10 kB"])
    axes.set_title("a minute of silence", pad=14)
    axes.set_xlabel("bytes per minute (log scale)")
    ticks(axes, named=False)


def position(row: dict[str, object]) -> float:
    return -list(VARIANTS).index(str(row["variant"])) + (0.21 if row["headers"] == "library" else -0.21)


def ticks(axes: Axes, named: bool) -> None:
    axes.set_yticks(
        [-i for i in range(len(VARIANTS))], [words.row_title(variant) if named else "" for variant in VARIANTS]
    )
    for label, variant in zip(axes.get_yticklabels(), VARIANTS, strict=True):
        label.set_color(style.colour(variant))
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)


def key(made: Figure) -> None:
    """What the colours of the stacked bars mean."""
    x = LEFT
    for name, (_, shade) in CATEGORIES.items():
        made.text(x, 0.815, "■", color=shade, fontsize=28, va="center")
        made.text(x + 0.018, 0.815, name, fontsize=style.TEXT, va="center")
        x += 0.035 + 0.0095 * len(name)
