"""The shortcut of polls: which requests get their response from the tap, without passing through uvicorn and Starlette.

A reader that polls sends the same request again and again; only the cursor in it changes. So what was found out about
the first one need not be found out again: that it is well-formed, that the Guard lets it in, and who responds to it.
It is to polls what the hub is to pushes, and `--fan-out tasks` turns both off.

    GET /short-poll?after=7f3a90c2-4 HTTP/1.1     a path that is a poll's; a query without escapes
    Host: 127.0.0.1:8000                          headers that uvicorn has read and the Guard has let in before,
    User-Agent: ...                               every one of them, in the same order

Everything else takes the long way. Nothing here does I/O.
"""

import re
from collections.abc import Iterable
from typing import Any, Protocol

PATH = re.compile(rb"/[a-z-]+")
LINE = re.compile(rb"GET (%b)(?:\?([a-z0-9=&.-]*))? HTTP/1\.1\r\n" % PATH.pattern)

UNUSUAL = {b"connection", b"content-length", b"expect", b"transfer-encoding", b"upgrade"}
"""Headers that ask more of a server than a response."""

REMEMBERED = 256
"""How many different heads of requests are remembered; readers of one kind all send the same."""

HEAD_MAX_BYTES = 4_096


class Responder(Protocol):
    """Who responds to the requests for a path."""

    def respond(self, tap: Any, query: bytes) -> bool:
        """Respond at once or in a while; False leaves the request to uvicorn."""


class Shortcut:
    """What one server has learned from the polls that took the long way."""

    def __init__(self) -> None:
        self._responders: dict[bytes, Responder] = {}
        self._let_in = set[tuple[tuple[bytes, bytes], ...]]()
        self._heads = set[bytes]()

    def learn(self, path: bytes, headers: Iterable[tuple[bytes, bytes]], responder: Responder) -> None:
        """A request with these headers was let in, and this is who responds to it: the next one may be the same."""
        headers = tuple(headers)
        size = sum(len(name) + len(value) for name, value in headers)
        unusual = [value.lower() for name, value in headers if name in UNUSUAL]
        if size > HEAD_MAX_BYTES or not PATH.fullmatch(path) or unusual not in ([], [b"keep-alive"]):
            return
        if len(self._let_in) == REMEMBERED:
            self._let_in.clear()
        self._let_in.add(headers)
        self._responders[path] = responder

    def find(self, request: bytes) -> tuple[Responder, bytes] | None:
        """Who may respond to a request, which is these bytes and no others, and its query; None: the long way."""
        line = LINE.match(request)
        responder = self._responders.get(line[1]) if line else None
        if not line or not responder:
            return None
        head = request[line.end() :]
        return (responder, line[2] or b"") if head in self._heads or self._is_let_in(head) else None

    def _is_let_in(self, head: bytes) -> bool:
        lines = [line.partition(b":") for line in head.removesuffix(b"\r\n\r\n").split(b"\r\n")]
        if tuple((name.lower(), value.strip(b" \t")) for name, _, value in lines) not in self._let_in:
            return False
        if len(self._heads) == REMEMBERED:
            self._heads.clear()
        if len(head) <= HEAD_MAX_BYTES:
            self._heads.add(head)
        return True
