"""The message log: append-only, bounded, in memory. It is the only state that the server has.

There are three ways to read it, and they are the whole difference between the transports:

    after(cursor)                what is there now?                          short polling
    wait_after(cursor, timeout)  what is there, or what comes next?          long polling
    follow(cursor)               everything, as it comes                     SSE, WebSocket, Socket.IO

No reader has a queue of its own. A reader *is* its cursor, so a slow one costs nothing, and one that reconnects is
served like any other. The log drops its oldest messages; a reader whose cursor it can't honour is told so (`Missed`)
and then gets everything that is kept. There is never a silent gap.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from app.message import Batch, Cursor, Message, Missed, People

KEEP = 10_000
"""How many messages are kept unless told otherwise."""

KEEP_MAX_CHARS = 64 * 1024 * 1024
"""How much JSON is kept at most, however few messages that is."""

BATCH_MAX = 1_000
BATCH_MAX_CHARS = 262_144
"""The most messages in one batch, and about how much JSON; a reader further behind gets the rest in the next one."""


class MessageLog:
    """Keeps the last `keep` messages, at most `keep_max_chars` of JSON. For use from one event loop."""

    def __init__(self, keep: int = KEEP, keep_max_chars: int = KEEP_MAX_CHARS) -> None:
        if keep < 1:
            raise ValueError(f"a log keeps at least one message, not {keep}")
        self.epoch = secrets.token_hex(4)
        self.closed = False
        self._keep = keep
        self._keep_max_chars = keep_max_chars
        self._kept: deque[Message] = deque()
        self._kept_chars = 0
        self._last = 0
        self._waiting: dict[asyncio.Future[None], None] = {}  # in the order in which they came
        self._end = asyncio.Event()
        self._subscribers: list[Callable[[], None]] = []

    @property
    def oldest(self) -> Cursor:
        """The cursor before the oldest message that is still kept."""
        return Cursor(self.epoch, self._last - len(self._kept))

    @property
    def newest(self) -> Cursor:
        """The cursor after the last message."""
        return Cursor(self.epoch, self._last)

    def resolve_cursor(self, after: str | None) -> Cursor:
        """What a request's `after` means: None is from now on, `0` from the oldest kept; raises BadInput."""
        if after is None:
            return self.newest
        return self.oldest if after == "0" else Cursor.parse(after)

    def honours(self, cursor: Cursor) -> bool:
        """Whether a reader can resume at `cursor`. If not, the first thing it may be told is that it missed something.

        Told its new cursor first, a reader that then loses its connection would resume there and never know.
        """
        return not self._missed_reason(cursor)

    def resume_from(self, cursor: Cursor) -> Cursor:
        """Where reading from `cursor` starts: there, or at the oldest message kept if it can't be honoured."""
        return cursor if self.honours(cursor) else self.oldest

    def publish(self, text: str, name: str | None = None, people: People | None = None) -> Message:
        """Append a message, wake all readers that wait, and return it."""
        self._last += 1
        message = Message(self.newest, text, time.monotonic_ns() / 1e6, name, people)
        self._kept.append(message)
        self._kept_chars += len(message.json)
        while len(self._kept) > self._keep or self._kept_chars > self._keep_max_chars:
            self._kept_chars -= len(self._kept.popleft().json)
        self._wake()
        return message

    def after(self, cursor: Cursor) -> Batch:
        """What is there now? In order, as far as one batch goes, and whether any before them were missed."""
        reason, start = self._missed_reason(cursor), self.resume_from(cursor)
        first = start.seq - self.oldest.seq
        messages: list[Message] = []
        room = BATCH_MAX_CHARS
        for i in range(first, min(first + BATCH_MAX, len(self._kept))):
            room -= len(self._kept[i].json)
            if messages and room < 0:
                break
            messages.append(self._kept[i])
        end = Cursor(self.epoch, start.seq + len(messages))
        return Batch(tuple(messages), end, Missed(reason, start) if reason else None)

    async def wait_after(self, cursor: Cursor, timeout_s: float | None) -> Batch:
        """What is there, or what comes next? Empty after `timeout_s` seconds of silence, or when the log closes."""
        batch = self.after(cursor)
        if batch.updates or self.closed:
            return batch
        loop = asyncio.get_running_loop()
        news: asyncio.Future[None] = loop.create_future()
        self._waiting[news] = None
        silence = None if timeout_s is None else loop.call_later(timeout_s, resolve, news)
        try:
            await news
        finally:
            self._waiting.pop(news, None)
            if silence:
                silence.cancel()
        return self.after(cursor)

    async def follow(self, cursor: Cursor, idle_s: float | None = None) -> AsyncIterator[Batch]:
        """Everything, as it comes, until the log closes; an empty batch after every `idle_s` seconds of silence."""
        while True:
            batch = await self.wait_after(cursor, idle_s)
            if self.closed and not batch.updates:
                return
            yield batch
            cursor = batch.cursor

    def subscribe(self, on_news: Callable[[], None]) -> None:
        """Have `on_news` called at every message, before anybody else runs, and when the log closes."""
        self._subscribers.append(on_news)

    def close(self) -> None:
        """The server is shutting down: held requests get their response now, and every stream ends."""
        self.closed = True
        self._wake()
        self._end.set()

    async def until_closed(self) -> None:
        """Wait until the log is closed."""
        await self._end.wait()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for news in waiting:
            resolve(news)
        for on_news in self._subscribers:
            on_news()

    def _missed_reason(self, cursor: Cursor) -> str | None:
        if cursor.epoch != self.epoch:
            return "restarted"
        if cursor.seq > self._last:
            return "ahead"
        return "expired" if cursor.seq < self.oldest.seq else None


def resolve(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_result(None)
