"""Where requests start and end in what a client sends (RFC 9112, section 2).

It reads just enough to know each request's path, and whether all of the request has arrived. Whether a request is
valid, and what it means, is left to the HTTP implementation behind the tap.
"""

import re
from typing import Literal
from urllib.parse import unquote

LINE = re.compile(rb"[A-Z]+ (?:https?://[^/ ]*)?([^ ?]*)[^ ]* HTTP/1\.[01]\r?\n")
LAST_CHUNK = b"0\r\n\r\n"


def whole_request(data: bytes) -> str | None:
    """The path, without its query, if this piece is a request without a body, whole and alone; else None.

    Nearly every piece is. To find that out costs less than a reader does. One with bare line feeds is not: HTTP
    implementations differ in what they make of them (RFC 9112, section 2.2).
    """
    if data.find(b"\n\r\n") != len(data) - 3 or data.count(b"\n") != data.count(b"\r\n") or body_follows(data):
        return None
    line = LINE.match(data)
    return path_in(line) if line else None


class RequestReader:
    """One connection's requests, one after the other, in pieces of any size.

    `complete` says whether no request has arrived in part.
    """

    __slots__ = ("_blank", "_body_bytes", "_chunks", "_head", "_line_read", "complete")

    def __init__(self) -> None:
        self.complete = True
        self._head = bytearray()  # what has come of a head
        self._line_read = False
        self._blank = False  # line ends have come, and no head yet
        self._body_bytes = 0  # still to come
        self._chunks: bytes | None = None  # the end of what has come of a body in chunks

    def receive(self, data: bytes) -> list[str]:
        """The paths of all requests whose first line is complete with this piece, in order, without their queries."""
        paths: list[str] = []
        while data:
            if self._body_bytes:
                size = min(len(data), self._body_bytes)
                self._body_bytes -= size
                data = data[size:]
            elif self._chunks is not None:
                # A chunk may end like the last one, and the request then seems to end early. The next
                # chunk is then taken for the head of a request: it is passed on all the same.
                self._chunks = (self._chunks + data)[-len(LAST_CHUNK) :]
                if self._chunks == LAST_CHUNK:
                    self._chunks = None
                data = b""
            else:
                data = self._receive_head(data, paths)
        self.complete = not (self._head or self._blank or self._body_bytes) and self._chunks is None
        return paths

    def _receive_head(self, data: bytes, paths: list[str]) -> bytes:
        """What follows the head, if it ends in this piece."""
        if not self._head:
            data = data.lstrip(b"\r\n")  # allowed in front of a request: section 2.2
            self._blank = not data
        searched = max(0, len(self._head) - 2)
        self._head += data
        if not self._line_read and b"\n" in data:
            self._line_read = True
            if line := LINE.match(self._head):
                paths.append(path_in(line))
        end = self._head.find(b"\n\r\n", searched)
        if end < 0:
            return b""
        head, rest = bytes(self._head[: end + 3]), bytes(self._head[end + 3 :])
        self._head.clear()
        self._line_read = False
        self._start_body(head)
        return rest

    def _start_body(self, head: bytes) -> None:
        follows = body_follows(head)
        if follows == "chunks":
            self._chunks = b""
        elif follows:
            size = head.lower().partition(b"\ncontent-length:")[2].partition(b"\r")[0].strip()
            self._body_bytes = int(size) if size.isdigit() and len(size) < 20 else 0


def body_follows(head: bytes) -> Literal["", "bytes", "chunks"]:
    """How the body after that head is delimited, if there is one."""
    head = head.lower()
    if b"\ntransfer-encoding:" in head:
        return "chunks"
    return "bytes" if b"\ncontent-length:" in head else ""


def path_in(line: re.Match[bytes]) -> str:
    path = line[1].decode("latin-1")
    return unquote(path) if "%" in path else path
