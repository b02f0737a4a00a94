"""Reads what `python -m app --record FILE` wrote: every connection's bytes with their times, and the marks."""

import base64
import json
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

Direction = Literal["up", "down"]


class Stream:
    """One direction of a connection: all its bytes, and when each passed the tap."""

    def __init__(self, pieces: Iterable[tuple[int, bytes]]) -> None:
        pieces = list(pieces)
        self.data = b"".join(data for _, data in pieces)
        self.pieces = pieces
        self._ends = list(accumulate(len(data) for _, data in pieces))
        self._times = [at_ns for at_ns, _ in pieces]

    def at_ns(self, position: int) -> int:
        """When the byte at `position` passed the tap (monotonic nanoseconds)."""
        return self._times[bisect_right(self._ends, position)]


@dataclass(frozen=True)
class Connection:
    """What the tap saw of one connection. `client_port` is 0 for the publisher's Unix socket."""

    number: int
    client_port: int
    opened_ns: int
    closed_ns: int | None
    bytes_up: int
    bytes_down: int
    writes: int
    up: Stream
    down: Stream

    def pieces(self) -> list[tuple[int, Direction, bytes]]:
        """All (time, direction, bytes) in the order in which they passed the tap."""
        ups: list[tuple[int, Direction, bytes]] = [(at_ns, "up", data) for at_ns, data in self.up.pieces]
        downs: list[tuple[int, Direction, bytes]] = [(at_ns, "down", data) for at_ns, data in self.down.pieces]
        return sorted([*ups, *downs], key=lambda piece: piece[0])


@dataclass(frozen=True)
class Mark:
    """The server at one moment: its CPU time and memory so far, and its connections' segments so far, if known."""

    at_ns: int
    cpu_ns: int
    rss_bytes: int
    segments: dict[int, dict[str, int] | None]


@dataclass(frozen=True)
class Recording:
    """Everything that crossed the sockets of one server."""

    connections: list[Connection]
    marks: list[Mark]


def read(path: Path) -> Recording:
    """Raises ValueError for a recording that is not whole."""
    recording, whole = Recording([], []), False
    with path.open(encoding="ascii") as file:
        for line in file:
            entry = json.loads(line)
            if "connection" in entry:
                recording.connections.append(_connection(entry["connection"]))
            elif "mark" in entry:
                mark = entry["mark"]
                mark["segments"] = {int(number): info for number, info in mark["segments"].items()}
                recording.marks.append(Mark(**mark))
            else:
                whole = not entry["truncated"]
    if not whole:
        raise ValueError(f"{path} is not a whole recording: more bytes crossed the sockets than it has room for")
    return recording


def _connection(fields: dict[str, Any]) -> Connection:
    pieces = [(direction, at_ns, base64.b64decode(data)) for direction, at_ns, data in fields.pop("pieces")]
    del fields["segments"]
    return Connection(
        **fields,
        up=Stream((at_ns, data) for direction, at_ns, data in pieces if direction == "up"),
        down=Stream((at_ns, data) for direction, at_ns, data in pieces if direction == "down"),
    )
