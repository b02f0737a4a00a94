"""What this server is to cost, beside named peers: data, for the plan and for the table."""

from dataclasses import dataclass

from experiments.bench.opening import Transport


@dataclass(frozen=True)
class Aim:
    """`metric` of `server` is at most `most` times that of `peer`; at most `most` if there is none."""

    what: str
    measure: str
    transport: Transport
    metric: str
    peer: str | None
    most: float
    unit: str
    floor: str = ""
    """The result of a server that does nothing else, with the same metric: to go below it would be a surprise."""

    server: str = "hub"

    @property
    def name(self) -> str:
        """Of the result that the metric is in."""
        return f"{self.measure} {self.transport} {self.server}"

    @property
    def peer_name(self) -> str:
        """The same of its peer; nothing if there is none."""
        return f"{self.measure} {self.transport} {self.peer}" if self.peer else ""

    @property
    def floor_server(self) -> str:
        """Whose result the floor is; nothing if there is none."""
        return self.floor.rpartition(" ")[2]


AIMS = (
    Aim(
        "WebSocket: delay of a push to a single reader",
        "push",
        "websocket",
        "push_us",
        "raw",
        1.1,
        "µs",
        "push websocket uvicorn",
    ),
    Aim("SSE: delay of a push to a single reader", "push", "sse", "push_us", "raw", 1.15, "µs", "push sse uvicorn"),
    Aim(
        "WebSocket: CPU per delivery",
        "fan_out",
        "websocket",
        "cpu_us_1000_1",
        "ws",
        0.8,
        "µs",
        "fan_out websocket raw",
    ),
    Aim(
        "WebSocket: CPU per delivery, ten messages per tick", "fan_out", "websocket", "cpu_us_1000_10", "ws", 0.2, "µs"
    ),
    Aim("Socket.IO: CPU per delivery", "fan_out", "socket_io", "cpu_us_1000_1", "socket.io", 0.8, "µs"),
    Aim(
        "Socket.IO: CPU per delivery, ten messages per tick",
        "fan_out",
        "socket_io",
        "cpu_us_1000_10",
        "socket.io",
        0.25,
        "µs",
    ),
    Aim(
        "WebSocket: time until the last reader has a message",
        "fan_out",
        "websocket",
        "last_ms_1000_1",
        "ws",
        1,
        "ms",
        "fan_out websocket raw",
    ),
    Aim(
        "WebSocket: memory per idle reader",
        "memory",
        "websocket",
        "reader_kib",
        None,
        12,
        "KiB",
        "memory websocket uvicorn",
    ),
    Aim("SSE: memory per idle reader", "memory", "sse", "reader_kib", None, 12, "KiB", "memory sse uvicorn"),
    Aim("Long poll: memory per held request", "memory", "long_poll", "reader_kib", None, 12, "KiB"),
    Aim(
        "Socket.IO: memory per idle reader",
        "memory",
        "socket_io",
        "reader_kib",
        None,
        24,
        "KiB",
        "memory websocket uvicorn",
    ),
    Aim("Short poll, repeated: CPU per response", "polling", "short_poll", "poll_us", "http", 0.85, "µs"),
    Aim("Long poll, repeated: CPU per response", "fan_out", "long_poll", "cpu_us_1000_1", "starlette", 0.4, "µs"),
)

HELD = 20_000
"""How many readers one process is to hold, where it may have as many files open."""
