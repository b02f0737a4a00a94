"""The publisher: open-loop, on time, and outside of what is measured.

It posts every message when it is due, whether or not the response to the one before is there ("open loop"): a
publisher that waits for a slow server would post less often just when it is slow, and delays would look better than
what readers see. It speaks plain HTTP, over a Unix socket that the emulated network does not delay.
"""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESPONSE_TIMEOUT_S = 10.0
JSON = "Content-Type: application/json\r\n"


@dataclass(frozen=True)
class Publication:
    """One message's way in; times are monotonic nanoseconds."""

    cursor: str
    text: str
    due_ns: int
    sent_ns: int
    published_ns: int


class Publisher:
    """A blocking HTTP connection to the server's Unix socket at `path`; to be used in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(RESPONSE_TIMEOUT_S)
        self._unread = bytearray()
        self._read = 0  # so much of it
        self._closed = threading.Event()
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def publish(self, due: Sequence[tuple[int, str]]) -> list[Publication]:
        """Publish every (due_ns, text), in this order; raises OSError if there is no response, or when closed."""
        sent: list[tuple[int, str, int]] = []
        for due_ns, text in due:
            # This is exact to some 0.1 ms here; an event loop's timers are to a whole one.
            if self._closed.wait(max(0, due_ns - time.monotonic_ns()) / 1e9):
                raise OSError("the publisher is closed")
            sent.append((due_ns, text, time.monotonic_ns()))
            self._post(text)
            self._take_what_is_there()
        responses = [self._response() for _ in sent]
        del self._unread[: self._read]
        self._read = 0
        return [
            Publication(response["cursor"], text, due_ns, sent_ns, round(response["published_ms"] * 1e6))
            for (due_ns, text, sent_ns), response in zip(sent, responses, strict=True)
        ]

    def now(self, text: str) -> Publication:
        """Publish one message at once."""
        return self.publish([(time.monotonic_ns(), text)])[0]

    def flood(self, text: str, until_ns: int) -> list[Publication]:
        """Publish again and again until then, each as soon as the one before is in the log."""
        published = []
        while time.monotonic_ns() < until_ns:
            published.append(self.now(text))
        return published

    def close(self) -> None:
        """May be called while another thread publishes, which then ends at once."""
        self._closed.set()
        with contextlib.suppress(OSError):  # it is not connected any more
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _post(self, text: str) -> None:
        body = json.dumps({"text": text}).encode()
        head = f"POST /messages HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)

    def _take_what_is_there(self) -> None:
        # Responses are not waited for, but they may not fill the socket's buffer either. MSG_DONTWAIT is not enough:
        # Python would wait for a socket that has a timeout.
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            self._unread += self._socket.recv(1 << 20)
        self._socket.settimeout(RESPONSE_TIMEOUT_S)

    def _response(self) -> dict[str, Any]:
        """The next one; raises OSError if it is a refusal, or if the server has closed the connection."""
        while True:
            # An offset, and not what is left: thousands of responses may be there, and each would be copied for each.
            end = self._unread.find(b"\r\n\r\n", self._read)
            head = bytes(self._unread[self._read : end]) if end >= 0 else b""
            length = re.search(rb"\r\ncontent-length: (\d+)", head)
            if length and len(self._unread) >= (whole := end + 4 + int(length[1])):
                body = bytes(self._unread[end + 4 : whole])
                self._read = whole
                if not head.startswith(b"HTTP/1.1 201 "):
                    raise OSError(f"the server did not publish: {body[:200]!r}")
                response: dict[str, Any] = json.loads(body)
                return response
            if not (more := self._socket.recv(1 << 20)):
                raise OSError("the server closed the publisher's connection")
            self._unread += more
