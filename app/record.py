"""A recording of everything that crossed the server's sockets, for measurements: `python -m app --record FILE`.

It is kept in memory and written when the server has shut down, so that nothing is written while it measures.
The file has one JSON object per line:

    {"mark": {"at_ns", "cpu_ns", "rss_bytes", "segments": {CONNECTION: {...}}}}     one per SIGUSR1
    {"connection": {"number", "client_port", "opened_ns", "closed_ns", "bytes_up", "bytes_down", "writes",
                    "segments": {...} or null, "pieces": [["up" or "down", at_ns, base64], ...]}}
    {"truncated": true or false}                                                    the last line

Remembering bytes costs memory, and so hides what a connection costs. `--record-bytes counts` leaves `pieces` empty:
what remains is a mark's `rss_bytes`, and each connection's counters.

Times are `time.monotonic_ns()`, the same clock for every process of one host.
"""

import base64
import json
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.link import Connection, Direction, Link

RECORDING_MAX_BYTES = 256 * 1024 * 1024


class Recorder:
    """An observer for a Link: remembers every piece of bytes, up to RECORDING_MAX_BYTES in all, or only counts them."""

    def __init__(self, counts_only: bool = False) -> None:
        self._counts_only = counts_only
        self.truncated = False
        self._room = RECORDING_MAX_BYTES
        self._pieces: dict[Connection, list[tuple[Direction, int, bytes]]] = {}
        self._marks: list[Mapping[str, Any]] = []

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if self._counts_only:
            self._pieces.setdefault(connection, [])
            return
        self._room -= len(data)
        if self._room < 0:
            self.truncated = True
        else:
            self._pieces.setdefault(connection, []).append((direction, at_ns, data))

    def mark(self, link: Link) -> None:
        """Remember this moment: the process's CPU time and memory, and every open connection's segments so far.

        Segments are left out where only counts are kept: to remember them takes memory for each connection.
        """
        mark = {"at_ns": time.monotonic_ns(), "cpu_ns": time.process_time_ns(), "rss_bytes": _rss_bytes()}
        open_connections = {} if self._counts_only else link.connections
        segments = {number: connection.tcp_info() for number, connection in open_connections.items()}
        self._marks.append({**mark, "segments": segments})

    def write(self, path: Path) -> None:
        """Write the recording; the file is there only once it is whole."""
        partial = path.with_name(path.name + ".partial")
        with partial.open("w", encoding="ascii") as file:
            for mark in self._marks:
                file.write(json.dumps({"mark": mark}) + "\n")
            for connection, pieces in self._pieces.items():
                file.write(json.dumps({"connection": _fields(connection, pieces)}) + "\n")
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
