"""The message log: append-only, bounded, in memory. It is the only state that the server has.

There are three ways to ask it, and they are the whole difference between the transports:

    after(cursor)                what is there now?                          short polling
    wait_after(cursor, timeout)  what is there, or what comes next?          long polling
    follow(cursor)               everything, as it comes                     SSE, WebSocket

No reader has a queue of its own. A reader *is* its cursor, so a slow one costs nothing but its place, and one that
comes back after a lost connection is served like any other. The log forgets its oldest messages; a reader whose
cursor it can't honour is told so (`Missed`) and then gets everything that is kept. There is never a silent gap.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator

from app.message import Batch, Cursor, Message, Missed

KEEP = 10_000
"""How many messages are kept unless told otherwise."""

BATCH_MAX = 1_000
"""The most messages in one batch; who is further behind gets the rest with the next one."""


class MessageLog:
    """Keeps the last `keep` messages. To be used from one event loop."""

    def __init__(self, keep: int = KEEP) -> None:
        if keep < 1:
            raise ValueError(f"a log keeps at least one message, not {keep}")
        self.epoch = secrets.token_hex(4)
        self.closed = False
        self._kept: deque[Message] = deque(maxlen=keep)
        self._last = 0
        self._news = asyncio.Event()

    @property
    def oldest(self) -> Cursor:
        """The place before the oldest message that is still kept."""
        return Cursor(self.epoch, self._last - len(self._kept))

    @property
    def newest(self) -> Cursor:
        """The place behind the last message: from here on, everything is news."""
        return Cursor(self.epoch, self._last)

    def place(self, after: str | None) -> Cursor:
        """What a request's `after` means: None is from now on, `0` from the oldest kept; raises BadInput."""
        if after is None:
            return self.newest
        return self.oldest if after == "0" else Cursor.parse(after)

    def publish(self, text: str) -> Message:
        """Append a message, wake everybody who waits, and return it."""
        self._last += 1
        message = Message(self.newest, text, time.monotonic_ns() / 1e6)
        self._kept.append(message)
        self._wake()
        return message

    def after(self, cursor: Cursor) -> Batch:
        """What is there now? At most BATCH_MAX messages, in order, and whether any before them were missed."""
        missed = None
        if reason := self._disbelief(cursor):
            cursor = self.oldest
            missed = Missed(reason, cursor)
        first = cursor.seq - self.oldest.seq
        messages = tuple(self._kept[i] for i in range(first, min(first + BATCH_MAX, len(self._kept))))
        return Batch(messages, Cursor(self.epoch, cursor.seq + len(messages)), missed)

    async def wait_after(self, cursor: Cursor, timeout_s: float | None) -> Batch:
        """What is there, or what comes next? Empty after `timeout_s` seconds of silence, or when the log closes."""
        batch = self.after(cursor)
        if batch.news or self.closed:
            return batch
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            pass
        return self.after(cursor)

    async def follow(self, cursor: Cursor, idle_s: float | None = None) -> AsyncIterator[Batch]:
        """Everything, as it comes, until the log closes; an empty batch after every `idle_s` seconds of silence."""
        while True:
            batch = await self.wait_after(cursor, idle_s)
            if self.closed and not batch.news:
                return
            yield batch
            cursor = batch.cursor

    def close(self) -> None:
        """The server ends: everybody who waits is answered now, and every stream comes to its end."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        # Those who wait hold this event; who comes next waits for the next one.
        self._news.set()
        self._news = asyncio.Event()

    def _disbelief(self, cursor: Cursor) -> str | None:
        if cursor.epoch != self.epoch:
            return "restarted"
        if cursor.seq > self._last:
            return "ahead"
        return "expired" if cursor.seq < self.oldest.seq else None
