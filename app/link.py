"""The link: a tap on every socket of the server. It counts bytes, notes times, and emulates a slower network.

uvicorn makes one protocol object per connection and gives it a transport to write to. The tap sits between the two,
in both directions. So it sees every byte that the operating system delivers or accepts, whatever HTTP or WebSocket
implementation runs above it, and exactly as it is on the wire:

    socket  --data_received-->  Tap           -->  uvicorn's protocol
    socket  <-------write-----  TappedWriter  <--  uvicorn's protocol

The life of a connection:

    it is            the tap                                     its owner
    -------------    ----------------------------------------    ---------------------------------------------
    opened           makes a `Connection`                        none yet
    requested        reads the path of each request              `claim`: the owner of the path, each time;
                                                                 `release`: the former owner, if that is another
    used             counts, shows each piece to the owner       `observe`: sees the pieces of its own
                     and to the observers                        connections, and of no others
    upgraded         follows to the WebSocket's protocol, and    stays: there are no more requests
                     looks for no more requests
    cut              drops it, and all that was on its way       (as closed)
    closed           notes its end                               `release`, with `closed_ns` set

A path's first part names its owner (`Link.owners`), so a connection that asks for a transport alone has none, and a
server that is measured has nothing in the way but its recorder, an observer.

A client that takes more than `REQUEST_S` for a request, or that connects and does not send one, is disconnected, and so
is one over which nothing has passed for `IDLE_S`, unless it has been upgraded. There are at most `Link.connections_max`
connections: a further one gets a 503 that says so, and is closed.

Most requests go on to uvicorn. A poll that only repeats what was let in before is responded to without it, at the same
place in the connection's bytes: see app/shortcut.py.

The emulated network adds a one-way delay per direction, keeps the order, and can cut a connection. The kernel's
TCP handshake can't be delayed from here, so the first bytes of a connection wait for one more round trip instead.
There is no loss, no slow start and no queue: charts made with it say "emulated delay". A Unix socket is not delayed:
the publisher of a measurement uses one, so that a message's trip to the server is not part of what is measured.

It can also be a network where WebSocket does not get through, as behind some proxies and firewalls: a request to
upgrade gets a 400, as from a proxy that does not know WebSocket, or the connection is cut.
"""

import asyncio
import re
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from app.message import dumps
from app.request_reader import RequestReader, whole_request
from app.shortcut import Shortcut

Direction = Literal["up", "down"]
"""up: from the client to the server; down: from the server to the client."""

Upgrades = Literal["pass", "refuse", "cut"]
"""What becomes of a request to upgrade: it passes; it gets a 400; or its connection is cut."""

FanOut = Literal["tasks", "hub"]
"""Who writes a new message to readers that have read everything else: a task for each, or a hub for all of them."""

# A browser's or a library's request head comes in one piece; one that does not gets through.
UPGRADE = re.compile(rb"^[A-Z]+ [^\r\n]+ HTTP/1\.1\r\n(?:[^\r\n]+\r\n)*?upgrade: *websocket *\r\n", re.IGNORECASE)
REFUSAL = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nx-content-type-options: nosniff\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
)


@dataclass(eq=False, slots=True, weakref_slot=True)
class Connection:
    """What the tap knows of one connection. Times are `time.monotonic_ns()`; the port is 0 on a Unix socket.

    `paused`: so much waits to be sent that nothing more should be. `delay_s` is the link's own. `upgrades` and
    `fan_out` can be set at any time, for later requests; None is the link's own.
    """

    number: int
    client_port: int
    opened_ns: int
    closed_ns: int | None = None
    bytes_up: int = 0
    bytes_down: int = 0
    writes: int = 0
    last_read_ns: int = 0
    last_write_ns: int | None = None
    upgraded: bool = False
    paused: bool = False
    segments: Mapping[str, int] | None = None
    owner: "Owner | None" = field(default=None, repr=False)
    delay_s: float = 0.0
    upgrades: Upgrades | None = None
    fan_out: FanOut | None = None
    up: "Lane | None" = field(default=None, repr=False)
    down: "Lane | None" = field(default=None, repr=False)
    cut: Callable[[], None] = field(default=lambda: None, repr=False)
    sock: socket.socket | None = field(default=None, repr=False)

    @property
    def lanes(self) -> Mapping[Direction, "Lane"]:
        return {"up": self.up, "down": self.down} if self.up and self.down else {}

    def tcp_info(self) -> Mapping[str, int] | None:
        return tcp_info(self.sock) if self.sock else None

    def delay_by(self, delay_s: float | None) -> None:
        """From now on, emulate this one-way delay in both directions; None is the link's own again."""
        for lane in self.lanes.values():
            lane.delay_by(self.delay_s if delay_s is None else delay_s)


REQUEST_S = 20.0
"""How long a client may take for a request, head and body, and for its first one after it has connected."""

IDLE_S = 120.0
"""How long an idle connection is kept: well above the longest poll interval, or slow pollers would reconnect."""

LINGER_S = 2.0
"""How long a client whose request was refused halfway may go on sending it, before it is disconnected."""

PENDING_MAX_BYTES = 1_048_576
"""An HTTP client that sends more than this without a response is cut off: no head and no message is that long."""

DELAYED_MAX_BYTES = 4_194_304
"""A client that sends more than this within the delay is cut off: all of it has to be kept until it is due."""

WRITE_HIGH_BYTES, WRITE_LOW_BYTES = 65_536, 16_384
"""When more than the first is delayed on its way down, writing pauses, until no more than the second is: as asyncio
does for the socket's own buffer."""

CLOSE_FRAME = 0x88
"""How a WebSocket's close frame begins: the last of its message, opcode 8 (RFC 6455, section 5.2)."""


class Observer(Protocol):
    """Is shown every piece of bytes of every connection as it passes the socket."""

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None: ...


class Owner(Protocol):
    """What a connection can belong to."""

    def claim(self, connection: Connection, path: str) -> None:
        """A request for `path`, which starts with the owner's part, begins on this connection."""

    def observe(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        """A piece of bytes passes the socket of a connection that was claimed and not yet released."""

    def release(self, connection: Connection) -> None:
        """The connection is closed, or its next request is not for this owner."""


class Link:
    """All connections of one server. `delay_s` is one-way, in seconds, for new connections.

    `owners` are named by the first part of a path: "chat" owns /chat/... There are at most `connections_max`
    connections; a further one gets a 503 in response to its first request, and is closed. A socket with a descriptor
    of `descriptors_max` or more is closed at once: what is open already needs files, too.
    """

    def __init__(
        self,
        delay_s: float = 0.0,
        owners: Mapping[str, Owner] | None = None,
        observers: Sequence[Observer] = (),
        upgrades: Upgrades = "pass",
        descriptors_max: int = sys.maxsize,
        fan_out: FanOut = "hub",
        connections_max: int = sys.maxsize,
    ) -> None:
        self.delay_s = delay_s
        self.owners = owners or {}
        self.observers = tuple(observers)
        self.upgrades: Upgrades = upgrades
        self.descriptors_max = descriptors_max
        self.fan_out: FanOut = fan_out
        self.connections_max = connections_max
        self.connections: dict[int, Connection] = {}
        self.refused = 0
        """How many of them are beyond the limit, and only wait for their 503."""
        self._made = 0
        self.shortcut = Shortcut()

    def close_idle(self) -> None:
        """Close every HTTP connection over which nothing has passed for `IDLE_S`.

        No request is held, and no stream is silent, for so long: on these, nothing is on its way.
        """
        since_ns = time.monotonic_ns() - round(IDLE_S * 1e9)
        for connection in list(self.connections.values()):
            used_ns = max(connection.opened_ns, connection.last_read_ns, connection.last_write_ns or 0)
            if used_ns < since_ns and not (connection.paused or connection.upgraded):
                connection.cut()

    def cut(self) -> None:
        """Break every connection, as a lost network does: no goodbye."""
        for connection in list(self.connections.values()):
            connection.cut()

    def tapped(self, protocol_class: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
        """The protocol class to pass as `uvicorn.Config(http=...)`: makes `protocol_class`, behind a tap.

        uvicorn copies `app_state` to every request of the connection: that is how a handler finds its connection, in
        `scope["state"]["tap"]`.
        """

        def make(app_state: Mapping[str, Any], **arguments: Any) -> Tap:
            tap = Tap(self, asyncio.get_running_loop(), arguments.get("server_state"))
            tap.inner = protocol_class(app_state={**app_state, "tap": tap}, **arguments)  # type: ignore[call-arg]
            return tap

        return make  # type: ignore[return-value]  # uvicorn only calls it

    @property
    def is_full(self) -> bool:
        return len(self.connections) - self.refused >= self.connections_max

    def number(self) -> int:
        self._made += 1
        return self._made

    def on_request(self, connection: Connection, path: str) -> None:
        """A request begins: the path's owner owns the connection from now on."""
        if not connection.owner and path.find("/", 1) < 0:
            return
        parts = path.split("/", 2)
        owner = self.owners.get(parts[1]) if len(parts) > 2 else None
        if connection.owner and connection.owner is not owner:
            connection.owner.release(connection)
        connection.owner = owner
        if owner:
            owner.claim(connection, path)


class Tap(asyncio.Protocol):
    """Faces the socket: passes on what was received and what is sent, counted, stamped and delayed.

    `inner` is uvicorn's protocol. `ended`: nothing more may be sent. `lost`: the connection is, and uvicorn has been
    told; after that `on_lost` is called. `on_more` is called before anything more that was received is passed on. Each
    of the two has one function at a time: a connection waits for one thing.

    `in_step`: so far, every piece that came was one whole request; after one that was not, uvicorn alone knows where a
    request begins. `unanswered`: how many requests uvicorn has that are not responded to. Polls may take the shortcut
    while the first is true and the second is 0.
    """

    __slots__ = (
        *("connection", "deadline", "delayed_bytes", "delayed_down_bytes", "down", "ended", "in_step", "inner"),
        *("link", "loop", "lost", "on_lost", "on_more", "pending_bytes", "requests", "server_state"),
        *("socket_paused", "transport", "unanswered", "up", "writer"),
    )

    def __init__(self, link: Link, loop: asyncio.AbstractEventLoop, server_state: Any) -> None:
        self.link = link
        self.server_state = server_state
        self.inner: Any = None
        self.transport: Any = None
        self.loop = loop
        self.pending_bytes = 0
        self.delayed_bytes = 0
        self.delayed_down_bytes = 0
        self.socket_paused = self.ended = self.lost = False
        self.on_lost: Callable[[Tap], object] | None = None
        self.on_more: Callable[[Tap], object] | None = None
        self.requests: RequestReader | None = None
        self.in_step = True
        self.unanswered = 0
        self.deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername") or ("", 0)  # the client may be gone already
        sock = transport.get_extra_info("socket")
        if sock.fileno() >= self.link.descriptors_max:
            transport.abort()  # type: ignore[attr-defined]
            self.inner = None
            return
        if self.link.is_full:
            self.inner = Refusing(self.link.connections_max)
            self.link.refused += 1
            self.in_step = False
        delay_s = self.link.delay_s
        if sock.family == socket.AF_UNIX:  # no network is as short as this one: nothing is delayed on it
            peer, delay_s = ("", 0), 0.0
        # The round trip of the TCP handshake comes before anything that the client sends.
        self.up, self.down = Lane(self.loop, delay_s, handshake_delays=2), Lane(self.loop, delay_s)
        self.connection = Connection(self.link.number(), peer[1], time.monotonic_ns(), delay_s=delay_s, sock=sock)
        self.connection.up, self.connection.down = self.up, self.down
        self.connection.cut = transport.abort  # type: ignore[attr-defined]
        self.link.connections[self.connection.number] = self.connection
        self.transport = transport
        self.writer = TappedWriter(self, transport)
        self.start_deadline()
        self.inner.connection_made(self.writer)

    def data_received(self, data: bytes) -> None:
        if self.inner is None:
            return
        connection, now = self.connection, time.monotonic_ns()
        connection.bytes_up += len(data)
        connection.last_read_ns = now
        path = None
        if not connection.upgraded and not self.ended:
            self.pending_bytes += len(data)
            if self.pending_bytes > PENDING_MAX_BYTES:
                connection.cut()
                return
            path = None if self.requests else whole_request(data)
            self._begin(data, path)
        if connection.owner or self.link.observers:
            self.show("up", now, data)
        if self.writer.is_closing():
            return  # the rest of a request that is already refused, or its owner has cut it
        if self.up.is_direct:
            self.up.used = True
            self._deliver(data, path is not None)
            return
        self.delayed_bytes += len(data)
        if self.delayed_bytes > DELAYED_MAX_BYTES:
            connection.cut()
        else:
            self.up.send(lambda: self._arrive(data, path is not None))

    def _begin(self, data: bytes, path: str | None) -> None:
        """Requests begin, go on or end with this piece; if it is one whole request, `path` is its path."""
        if path is not None:
            self.link.on_request(self.connection, path)
            self.stop_deadline()
            return
        reader = self.requests = self.requests or RequestReader()
        paths = reader.receive(data)
        for one in paths:
            self.link.on_request(self.connection, one)
        if paths or reader.complete:  # each request has its own deadline
            self.stop_deadline()
        if reader.complete:
            self.requests = None
        else:
            self.start_deadline()

    @property
    def fan_out(self) -> FanOut:
        return self.connection.fan_out or self.link.fan_out

    def offer(self, data: bytes, now: int) -> bool:
        """Send this unless it would have to wait, or would come after the end; returns whether it was sent."""
        if self.connection.paused or self.ended or self.transport.is_closing():
            return False
        self.send(data, now)
        return True

    def send(self, data: bytes, now: int) -> None:
        """Count, show, delay and write these bytes, which must not change any more."""
        connection = self.connection
        connection.bytes_down += len(data)
        connection.writes += 1
        connection.last_write_ns = now
        self.pending_bytes = 0
        if connection.owner or self.link.observers:
            self.show("down", now, data)
        if self.down.is_direct:
            self.transport.write(data)
        else:
            self.delayed_down_bytes += len(data)
            self.down.send(lambda: self._leave(data))
            self._pause_or_resume()

    def _leave(self, data: bytes) -> None:
        self.delayed_down_bytes -= len(data)
        self.transport.write(data)
        self._pause_or_resume()

    def _pause_or_resume(self) -> None:
        """Tell uvicorn's protocol when writing has to pause: while the socket, or the delayed way to it, is full."""
        full_bytes = WRITE_LOW_BYTES if self.connection.paused else WRITE_HIGH_BYTES
        paused = self.socket_paused or self.delayed_down_bytes > full_bytes
        if paused != self.connection.paused:
            self.connection.paused = paused
            (self.inner.pause_writing if paused else self.inner.resume_writing)()

    def show(self, direction: Direction, now: int, data: bytes) -> None:
        if self.connection.owner:
            self.connection.owner.observe(self.connection, direction, now, data)
        for observe in self.link.observers:
            observe(self.connection, direction, now, data)

    def close(self) -> None:
        """End the connection after what was written; a client that still sends gets the chance to read it first.

        Closed at once, with unread bytes in it, a socket is reset, and the client may never see the response
        (RFC 9112, section 9.6).
        """
        if self.connection.closed_ns is not None:
            return
        if not self.requests or self.connection.upgraded:
            self.transport.close()
        else:
            self.transport.write_eof()
            self.transport.resume_reading()
            self.stop_deadline()
            self.deadline = self.loop.call_later(LINGER_S, self.transport.close)

    def start_deadline(self) -> None:
        if not self.deadline:
            self.deadline = self.loop.call_later(REQUEST_S, self.writer.close)

    def stop_deadline(self) -> None:
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None

    def _arrive(self, data: bytes, whole: bool) -> None:
        self.delayed_bytes -= len(data)
        self._deliver(data, whole)

    def _deliver(self, data: bytes, whole: bool) -> None:
        """Pass on what was received; if it is `whole`, it is one request and nothing else."""
        if self.on_more:
            self.on_more(self)
        self.in_step = self.in_step and whole
        if self.in_step and not self.unanswered and not self.connection.paused and self.fan_out == "hub":
            found = self.link.shortcut.find(data)
            if found and found[0].respond(self, found[1]):
                return
        self.unanswered += 1
        upgrades = self.connection.upgrades or self.link.upgrades
        if upgrades == "pass" or self.connection.upgraded or not UPGRADE.match(data):
            self.inner.data_received(data)
        elif upgrades == "cut":
            self.connection.cut()
        else:
            self.writer.write(REFUSAL)
            self.writer.close()

    def eof_received(self) -> None:
        if self.inner is not None:
            self.up.send(lambda: self.inner.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        if self.inner is None:
            return
        self.stop_deadline()
        # The socket is still open here; the inner protocol closes it.
        self.connection.segments = self.connection.tcp_info()
        self.connection.closed_ns = time.monotonic_ns()
        del self.link.connections[self.connection.number]
        self.link.refused -= isinstance(self.inner, Refusing)
        if self.connection.owner:
            self.connection.owner.release(self.connection)
        self.down.close()
        self.ended = True
        # A step of the loop later, because a delay brings the last bytes and the end in one: let them be read first.
        self.up.send(lambda: self.loop.call_soon(self._lose, exc))

    def _lose(self, exc: Exception | None) -> None:
        self.lost = True
        self.inner.connection_lost(exc)
        if self.on_lost:
            self.on_lost(self)

    def pause_writing(self) -> None:
        self.socket_paused = True
        self._pause_or_resume()

    def resume_writing(self) -> None:
        self.socket_paused = False
        self._pause_or_resume()


class Refusing(asyncio.Protocol):
    """Stands in for uvicorn on a connection that is one too many: responds 503 to its first request, and closes it."""

    def __init__(self, connections_max: int) -> None:
        error = f"{connections_max} connections are open, which is the limit: try again later"
        self._body = dumps({"error": error}).encode()
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\n\r\n" in self._head:
            self._transport.write(FULL % (len(self._body), self._body))
            self._transport.close()


class TappedWriter:
    """Faces uvicorn: is the transport that its protocols write to."""

    __slots__ = ("_closing", "_held", "_tap", "_transport")

    def __init__(self, tap: Tap, transport: Any) -> None:
        self._tap = tap
        self._transport = transport
        self._closing = False
        self._held: list[bytes] | None = None

    def hold(self) -> None:
        """What is written from now on leaves in one piece: when `release` is called, or with the end."""
        self._held = []

    def release(self) -> None:
        held, self._held = self._held, None
        if held:
            self.write(b"".join(held))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._held is not None:
            self._held.append(bytes(data))
            return
        now = time.monotonic_ns()
        if not data or self.is_closing():
            return
        if data[0] == CLOSE_FRAME and self._tap.connection.upgraded:
            self._tap.ended = True
        self._tap.send(bytes(data), now)

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def close(self) -> None:
        if not self._closing:
            self.release()
            self._closing = self._tap.ended = True
            self._tap.down.send(self._tap.close)

    def write_eof(self) -> None:
        self._tap.ended = True
        self._tap.down.send(self._transport.write_eof)

    def is_closing(self) -> bool:
        return self._closing or bool(self._transport.is_closing())

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self._tap.inner = protocol
        self._tap.stop_deadline()
        self._tap.connection.upgraded = True
        if self._tap.connection.paused:
            protocol.pause_writing()

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._tap.inner
        return protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "socket" and self._tap.connection.closed_ns is not None:
            return default  # closed, while bytes were still delayed: uvicorn asks it for its address at an upgrade
        return self._transport.get_extra_info(name, default)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)  # abort, pause_reading, buffer limits: not ours


class Lane:
    """One direction of one connection: does things in order, each some delay after it was sent.

    `is_direct`: what is sent now is done now. `used`: something was sent, or done without being sent while direct.
    """

    __slots__ = ("_delay_s", "_handshake_delays", "_loop", "_made", "_not_before", "_waiting", "is_direct", "used")

    def __init__(self, loop: asyncio.AbstractEventLoop, delay_s: float, handshake_delays: int = 0) -> None:
        self._loop = loop
        self._made = loop.time()
        self._handshake_delays = handshake_delays
        self._waiting: deque[Callable[[], object]] | None = None  # until something has to wait: it takes memory
        self.used = False
        self.delay_by(delay_s)

    def delay_by(self, delay_s: float) -> None:
        """Delay by this, what is sent from now on; the first to be sent does not arrive before the handshake ends."""
        self._delay_s = delay_s
        self.is_direct = not delay_s and not self._waiting
        if not self.used:
            self._not_before = self._made + (1 + self._handshake_delays) * delay_s

    @property
    def delay_s(self) -> float:
        """How long what is sent now will take."""
        return 0.0 if self.is_direct else max(self._delay_s, self._not_before - self._loop.time())

    def send(self, action: Callable[[], object]) -> None:
        self.used = True
        if self.is_direct:
            action()
            return
        self._not_before = self._loop.time() + self.delay_s
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(action)
        # Timers that are due together may fire in any order; each does whatever is first in line.
        self._loop.call_at(self._not_before, self._next)

    def close(self) -> None:
        """Nothing that still waits will be done: there is nobody at the other end."""
        self._waiting = None

    def _next(self) -> None:
        if self._waiting:
            action = self._waiting.popleft()
            self.is_direct = not self._delay_s and not self._waiting
            action()


def tcp_info(sock: socket.socket) -> Mapping[str, int] | None:
    """What Linux counted for a connection (struct tcp_info, linux/tcp.h); None elsewhere.

    Segments are counted as the kernel sees them: on the loopback interface one segment can carry up to 64 KiB, on
    Ethernet about 1.4 KB.
    """
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:  # the connection is gone already
        return None
    if len(info) < 216:  # an older kernel
        return None
    down, up = struct.unpack_from("=II", info, 136)
    data_up, data_down = struct.unpack_from("=II", info, 152)
    sent, retransmitted = struct.unpack_from("=QQ", info, 200)
    (rtt_us,) = struct.unpack_from("=I", info, 68)
    return {
        "segments_up": up,
        "segments_down": down,
        "data_segments_up": data_up,
        "data_segments_down": data_down,
        "bytes_sent": sent,
        "bytes_retransmitted": retransmitted,
        "rtt_us": rtt_us,
    }
