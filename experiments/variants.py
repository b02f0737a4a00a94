"""What is compared: one descriptor per variant, which is a transport and, for Socket.IO, what it runs over.

Everything that the experiments need to know of a transport stands here, so adding one costs one entry: whether it
polls, pauses or is held, its heartbeat, its framing, how many connections it opens, how charts mark it. Ask the
descriptor (`VARIANTS[name]`, or `condition.kind`) instead of comparing names. Titles, colours and markers of the
transports are those of `app/palette.json`, which the pages read too; a descriptor says only what differs.

The module imports nothing heavy: every reader process loads it.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.analysis.theory import socket_io_bytes, sse_event_bytes, websocket_frame_bytes

Via = Literal["", "upgrade", "websocket", "polling"]

PALETTE: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "app" / "palette.json").read_text(encoding="utf-8")
)
"""For every transport, in teaching order: its title, its colours, its marker's name."""

MARKERS = {"square": "s", "triangle": "^", "circle": "o", "diamond": "D", "plus": "P"}
"""Matplotlib's marker for each marker name of the palette."""

CURSOR_BYTES = 12
"""`7f3a90c2-123`: eight characters of epoch, a dash, and about three digits."""


@dataclass(frozen=True)
class Variant:
    """One transport, or one of Socket.IO's three variants.

    `path`: of its requests. `polls`: whether every delivery needs a request; `batches`: whether a poll's body is one
    batch of messages (`{"messages": [...], "cursor": ...}`). `usual_pause_s`: between a response and the next request
    where a question does not vary it; 0 means that `Condition.pause_s` does not apply. `hold_s`: how long a poll is
    held while there is nothing. `heartbeat_s`: the period at which the server sends something into silence, or None.
    `without_websocket`: what it does on a network that lets no upgrade through. `connections_most`: how many
    connections a reader opens that loses none. `sessions_most`: how many readers one server takes, where that is not
    the limit of its connections. `framing_bytes(payload)`: what theory expects around one pushed
    message, or None where messages are not pushed. `library_transports`: what python-socketio is told to use.
    `title_suffix`, `row_title`, `own_marker`: where charts differ from the palette. `coincides_with`: the variant
    whose curve this one's lies on, so that line charts leave it out.
    """

    transport: str
    path: str
    via: Via = ""
    polls: bool = False
    batches: bool = False
    usual_pause_s: float = 0.0
    hold_s: float = 0.0
    heartbeat_s: float | None = None
    without_websocket: Literal["works", "polls", "fails"] = "works"
    connections_most: int = 1
    sessions_most: int = 1_000_000
    framing_bytes: Callable[[int], int] | None = None
    library_transports: tuple[str, ...] = ()
    title_suffix: str = ""
    own_row_title: str = ""
    own_marker: str = ""
    coincides_with: str = ""

    @property
    def name(self) -> str:
        """`sse`, `socket_io polling`: what tables call it."""
        return f"{self.transport} {self.via}".strip()

    @property
    def pauses(self) -> bool:
        """Whether `Condition.pause_s` applies."""
        return self.usual_pause_s > 0

    @property
    def title(self) -> str:
        """`SSE`, `Socket.IO, polling`."""
        return PALETTE[self.transport]["title"] + self.title_suffix

    @property
    def row_title(self) -> str:
        """The title in a list of all variants, where Socket.IO's are next to each other."""
        return self.own_row_title or self.title

    @property
    def colour(self) -> str:
        """On white."""
        return PALETTE[self.transport]["light"]

    @property
    def marker(self) -> str:
        """Matplotlib's name of it."""
        return self.own_marker or MARKERS[PALETTE[self.transport]["marker"]]


_ALL = (
    Variant("short_poll", "/short-poll", polls=True, batches=True, usual_pause_s=1.0),
    Variant("long_poll", "/long-poll", polls=True, batches=True, hold_s=25.0),
    Variant("sse", "/sse", heartbeat_s=15.0, framing_bytes=lambda payload: sse_event_bytes(payload, CURSOR_BYTES)),
    Variant(
        "websocket",
        "/websocket",
        heartbeat_s=20.0,
        without_websocket="fails",
        framing_bytes=websocket_frame_bytes,
    ),
    Variant(
        "socket_io",
        "/socket.io/",
        via="upgrade",
        hold_s=math.inf,
        heartbeat_s=25.0,
        sessions_most=20_000,
        without_websocket="polls",
        connections_most=3,  # it polls on one, posts on another, and upgrades a third
        framing_bytes=socket_io_bytes,
        library_transports=("polling", "websocket"),
    ),
    Variant(
        "socket_io",
        "/socket.io/",
        via="websocket",
        heartbeat_s=25.0,
        sessions_most=20_000,
        without_websocket="fails",
        framing_bytes=socket_io_bytes,
        library_transports=("websocket",),
        title_suffix=", WebSocket",
        own_row_title="… WebSocket only",
        own_marker="x",
        coincides_with="socket_io upgrade",
    ),
    Variant(
        "socket_io",
        "/socket.io/",
        via="polling",
        polls=True,
        hold_s=math.inf,
        heartbeat_s=25.0,
        sessions_most=20_000,
        connections_most=2,
        library_transports=("polling",),
        title_suffix=", polling",
        own_row_title="… polling only",
        own_marker="+",
    ),
)

VARIANTS: dict[str, Variant] = {variant.name: variant for variant in _ALL}
"""By name, in teaching order: iterating gives the names."""
