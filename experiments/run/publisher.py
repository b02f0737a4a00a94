"""The publisher: open-loop, on time, and outside of what is measured.

It posts every message when it is due, whether or not the one before was answered ("open loop"): a publisher that waits
for a slow server would ask it less often just when it is slow, and its figures would look better than what readers
live through. It speaks HTTP like everybody else, over a Unix socket that the emulated network does not delay.
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

ANSWER_TIMEOUT_S = 10.0


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
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        self._unread = b""
        self._closed = threading.Event()
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def publish(self, due: Sequence[tuple[int, str]]) -> list[Publication]:
        """Publish every (due_ns, text), in that order; raises OSError if the server does not answer, or when closed."""
        sent: list[tuple[int, str, int]] = []
        for due_ns, text in due:
            # This is exact to some 0.1 ms here; an event loop's timers are to a whole one.
            if self._closed.wait(max(0, due_ns - time.monotonic_ns()) / 1e9):
                raise OSError("the publisher is closed")
            sent.append((due_ns, text, time.monotonic_ns()))
            self._post(text)
            self._take_what_is_there()
        answers = [self._answer() for _ in sent]
        return [
            Publication(answer["cursor"], text, due_ns, sent_ns, round(answer["published_ms"] * 1e6))
            for (due_ns, text, sent_ns), answer in zip(sent, answers, strict=True)
        ]

    def now(self, text: str) -> Publication:
        """Publish one message at once."""
        return self.publish([(time.monotonic_ns(), text)])[0]

    def close(self) -> None:
        """May be called while another thread publishes, which then ends at once."""
        self._closed.set()
        with contextlib.suppress(OSError):  # it is not connected any more
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _post(self, text: str) -> None:
        body = json.dumps({"text": text}).encode()
        head = (
            "POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)

    def _take_what_is_there(self) -> None:
        # Answers are not waited for, but they may not fill the socket's buffer either. MSG_DONTWAIT is not enough:
        # Python would wait for a socket that has a timeout.
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            self._unread += self._socket.recv(1 << 20)
        self._socket.settimeout(ANSWER_TIMEOUT_S)

    def _answer(self) -> dict[str, Any]:
        while True:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head)
            if end and length and len(rest) >= (size := int(length[1])):
                self._unread = rest[size:]
                if not head.startswith(b"HTTP/1.1 201 "):
                    raise OSError(f"the server did not publish: {rest[:200]!r}")
                answer: dict[str, Any] = json.loads(rest[:size])
                return answer
            if not (more := self._socket.recv(1 << 20)):
                raise OSError("the server has hung up on the publisher")
            self._unread += more
