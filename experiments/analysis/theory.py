"""The formulas. Short and long polling are one model with two knobs; pushing is its simplest case.

A reader sends a request, the server holds it for at most `hold_s` (tau; 0 is short polling), the response travels
back, the reader pauses for `pause_s` (T; 0 is long polling) and sends the next request. Messages are a Poisson process
of `rate_hz` (lambda). In every cycle there is a *gap* g in which no request is at the server:

    g = T + R,  R = delay up + delay down + processing

A message that falls into the gap waits for its end; one that comes while a request is held does not wait.
Socket.IO's polling is long polling in which some responses are heartbeats, at `heartbeat_hz` (b), each acknowledged by
a request of its own; to a held request, a heartbeat is like a message.
All times are in seconds, sizes in bytes. The formulas were derived for this project; the tests check them against a
simulation of the same cycle.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Polling:
    """Short (hold_s = 0) and long (pause_s = 0) polling."""

    rate_hz: float
    gap_s: float
    hold_s: float
    down_s: float
    heartbeat_hz: float = 0.0

    @property
    def responses_hz(self) -> float:
        """a / D with a = lambda + b and D = a g + e^(-a g) (1 - e^(-a tau)), what is in a response on average.

        The gap's arrivals are in it, and if there were none, the hold's first.
        """
        rate_hz = self.rate_hz + self.heartbeat_hz
        if rate_hz == 0:
            return 1 / (self.gap_s + self.hold_s)
        arrivals = rate_hz * self.gap_s
        return rate_hz / (arrivals + math.exp(-arrivals) * (1 - math.exp(-rate_hz * self.hold_s)))

    @property
    def requests_hz(self) -> float:
        """One for each response, and one for each heartbeat."""
        return self.responses_hz + self.heartbeat_hz

    @property
    def waiting_share(self) -> float:
        """q = g a / D: the share of time, and so of messages, that falls into a gap."""
        return self.gap_s * self.responses_hz

    @property
    def empty_share(self) -> float:
        """e^(-lambda (g + tau)): the share of requests without a message; with heartbeats, these and their echoes."""
        if self.heartbeat_hz:
            return 2 * self.heartbeat_hz / self.requests_hz
        return math.exp(-self.rate_hz * (self.gap_s + self.hold_s))

    @property
    def mean_delay_s(self) -> float:
        """d + q g / 2: a message that falls into the gap waits half of it on average."""
        return self.down_s + self.waiting_share * self.gap_s / 2

    def share_within(self, delay_s: float) -> float:
        """The share of messages that take at most `delay_s`: d, or d plus a uniform part of the gap."""
        if delay_s < self.down_s:
            return 0.0
        waited = min(1.0, (delay_s - self.down_s) / self.gap_s)
        return 1 - self.waiting_share + self.waiting_share * waited

    def bytes_per_message(self, payload_bytes: float, cycle_bytes: float) -> float:
        """m + H / D, with H the bytes of a request and response without the messages, and D messages per request."""
        return payload_bytes + cycle_bytes * self.requests_hz / self.rate_hz


@dataclass(frozen=True)
class Push:
    """A connection that is already open: a message only travels down."""

    down_s: float

    @property
    def mean_delay_s(self) -> float:
        """d."""
        return self.down_s

    def share_within(self, delay_s: float) -> float:
        """Nothing before d, everything from then on."""
        return float(delay_s >= self.down_s)


@dataclass(frozen=True)
class Broadcast:
    """One message to many readers, whom the server writes to one after the other.

    `start_ms` (a): what publishing and waking up take; `delivery_ms` (b): what each delivery takes. Both are CPU
    times of one process that does nothing else, so they pass as time, too.
    """

    start_ms: float
    delivery_ms: float

    def cpu_ms(self, readers: float) -> float:
        """a + b N."""
        return self.start_ms + self.delivery_ms * readers

    def last_ms(self, readers: float) -> float:
        """The last of N readers has it when everybody has been written to: a + b N, too."""
        return self.cpu_ms(readers)


def websocket_frame_bytes(payload_bytes: int) -> int:
    """The header of a server's frame (RFC 6455, section 5.2): 2 bytes, and 2 or 8 more for a longer length."""
    return 2 if payload_bytes < 126 else 4 if payload_bytes < 65_536 else 10


def sse_event_bytes(payload_bytes: int, cursor_bytes: int) -> int:
    """Fields and chunk around one message: `id: ...`, `data: ...`, an empty line; chunk: RFC 9112, section 7.1."""
    fields = len("id: ") + cursor_bytes + len("\n") + len("data: ") + len("\n\n")
    return fields + len(f"{payload_bytes + fields:x}\r\n") + len("\r\n")


def socket_io_bytes(payload_bytes: int) -> int:
    """What is around one message over WebSocket: `42["message",` and `]` (Socket.IO protocol 5), and the frame."""
    event = len('42["message",]')
    return event + websocket_frame_bytes(payload_bytes + event)


def crossover_hz(cycle_bytes: float, push_bytes: float, gap_s: float) -> float:
    """The rate from which polling moves fewer bytes than pushing: H / D + 1 = h, that is lambda = H / ((h - 1) g).

    1 is the comma between two messages of a response.
    """
    return cycle_bytes / ((push_bytes - 1) * gap_s)
