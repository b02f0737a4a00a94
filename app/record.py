"""A recording of everything that crossed the server's sockets, for measurements: `python -m app --record FILE`.

It is kept in memory and written when the server has shut down, so that nothing is written while it measures.
The file has one JSON object per line:

    {"mark": {"at_ns", "cpu_ns", "rss_bytes", "segments": {CONNECTION: {...}}}}     one per SIGUSR1
    {"connection": {"number", "client_port", "opened_ns", "closed_ns", "bytes_up", "bytes_down", "writes",
                    "segments": {...} or null, "pieces": [["up" or "down", at_ns, base64], ...]}}
    {"truncated": true or false}                                                    the last line

Remembering bytes costs memory, and so hides what a connection costs. `--record-bytes counts` leaves `pieces` empty:
what remains is a mark's `rss_bytes`, and each connection's counters. Of a crowd, `--record-bytes SHARE:SEED` remembers
the bytes of about that share of the connections; which ones is decided by the client's port, so the client knows it,
too, and nothing has to be said on the wire.

Times are `time.monotonic_ns()`, the same clock for every process of one host.
"""

import base64
import hashlib
import json
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.link import Connection, Direction, Link

RECORDING_MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """Of which connections the bytes are kept: about `share` of them, others with another `seed`."""

    share: float = 1.0
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> "Sample":
        """Read `all`, `counts` (none) or `SHARE:SEED`; raises ValueError for anything else."""
        if text in ("all", "counts"):
            return cls(float(text == "all"))
        share, seed = text.split(":")
        if not 0 <= float(share) <= 1:
            raise ValueError(f"a share is 0 to 1, not {share}")
        return cls(float(share), int(seed))

    def __contains__(self, client_port: int) -> bool:
        """Whether this port's bytes are kept."""
        digest = hashlib.sha256(f"{self.seed} {client_port}".encode()).digest()
        return int.from_bytes(digest[:4]) < self.share * 2**32


EVERYTHING = Sample()


class Recorder:
    """An observer for a Link: remembers the pieces of the connections in `sample`, up to RECORDING_MAX_BYTES in all.

    Of all others it writes the counters that the tap keeps.
    """

    def __init__(self, sample: Sample = EVERYTHING) -> None:
        self._sample = sample
        self.truncated = False
        self._room = RECORDING_MAX_BYTES
        self._pieces: dict[Connection, list[tuple[Direction, int, bytes]] | None] = {}
        self._marks: list[Mapping[str, Any]] = []

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if connection not in self._pieces:
            self._pieces[connection] = [] if connection.client_port in self._sample else None
        pieces = self._pieces[connection]
        if pieces is None:
            return
        self._room -= len(data)
        if self._room < 0:
            self.truncated = True
        else:
            pieces.append((direction, at_ns, data))

    def mark(self, link: Link) -> None:
        """Remember this moment: the process's CPU time and memory, and every open connection's segments so far.

        Segments are left out unless all bytes are kept: to remember them takes memory for each connection.
        """
        mark = {"at_ns": time.monotonic_ns(), "cpu_ns": time.process_time_ns(), "rss_bytes": _rss_bytes()}
        open_connections = link.connections if self._sample == EVERYTHING else {}
        segments = {number: connection.tcp_info() for number, connection in open_connections.items()}
        self._marks.append({**mark, "segments": segments})

    def write(self, path: Path) -> None:
        """Write the recording; the file is there only once it is whole."""
        partial = path.with_name(path.name + ".partial")
        with partial.open("w", encoding="ascii") as file:
            for mark in self._marks:
                file.write(json.dumps({"mark": mark}) + "\n")
            for connection, pieces in self._pieces.items():
                file.write(json.dumps({"connection": _fields(connection, pieces or [])}) + "\n")
            file.write(json.dumps({"truncated": self.truncated}) + "\n")
        partial.replace(path)


def _fields(connection: Connection, pieces: list[tuple[Direction, int, bytes]]) -> dict[str, Any]:
    return {
        "number": connection.number,
        "client_port": connection.client_port,
        "opened_ns": connection.opened_ns,
        "closed_ns": connection.closed_ns,
        "bytes_up": connection.bytes_up,
        "bytes_down": connection.bytes_down,
        "writes": connection.writes,
        "segments": connection.segments,
        "pieces": [(direction, at_ns, base64.b64encode(data).decode()) for direction, at_ns, data in pieces],
    }


def _rss_bytes() -> int:
    """Resident memory: now, where /proc tells it; elsewhere the most so far."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
