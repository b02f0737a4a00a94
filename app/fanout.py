"""The hub: writes what is new to all readers that have read everything else, each message encoded once.

Readers who have read everything stand at the same cursor, and what comes next is due to all of them in the same bytes.
So nobody has to be woken. A log and a framing have one hub; a reader that follows the log through it is in one of two
states, and only its own connection decides which:

    behind       it has messages to read: its own task reads them, batch by batch, and sends them
    caught up    its task sleeps in the hub, and the hub writes to its connection

        publish --> the hub: log.after(cursor) --> frame --> the same bytes to each connection

A caught-up reader whose connection is paused is skipped and handed back: its task wakes up with the cursor that it
had, and it is behind. So no reader slows another, and what a slow one has not taken waits in the log and nowhere else.
Messages that were published in one turn of the event loop are one write; only if there are few readers, the first of
them leaves before that.

A reader is served by its task alone where the hub can't be sure of the bytes: without a tap, before HTTP/1.1 (there are
no chunks), and where `--fan-out tasks` or the connection says so.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable

from starlette.types import Scope

from app.link import Tap
from app.log import MessageLog
from app.message import Batch, Cursor

FEW = 16
"""Up to so many readers are written to before the turn ends: for them, waiting takes longer than it saves."""


def tap_of(scope: Scope) -> Tap | None:
    """The tap of a request's connection if a hub may write to it, else None."""
    tap: Tap | None = scope.get("state", {}).get("tap")
    return tap if tap and tap.fan_out == "hub" and scope["http_version"] == "1.1" else None


class Hub:
    """Writes a log's new messages to its readers, as the bytes that `frame` makes of a batch: whole frames only.

    After `idle_s` seconds of silence it writes the frame of an empty batch: a heartbeat. Up to `few` readers are
    written to before the publisher goes on.
    """

    def __init__(
        self, log: MessageLog, frame: Callable[[Batch], bytes], idle_s: float | None = None, few: int = FEW
    ) -> None:
        self._log = log
        self._frame = frame
        self._idle_s = idle_s
        self._few = few
        self._cursor = log.newest  # where all its readers are
        self._readers: dict[Tap, asyncio.Future[Cursor]] = {}
        self._flush_is_due = False
        self._heartbeat: asyncio.TimerHandle | None = None
        log.subscribe(self._on_news)

    async def follow(self, cursor: Cursor, scope: Scope) -> AsyncIterator[Batch]:
        """What a reader has to send by itself: everything after `cursor`, whenever the hub does not write it.

        Like `log.follow`, it ends when the log closes; in the hub also when the client has gone.
        """
        tap = None
        while True:
            batch, tap = self._log.after(cursor), tap or tap_of(scope)  # once in the hub, always
            if tap and tap.connection.closed_ns is not None:
                return
            if not batch.updates and tap and not self._log.closed:
                cursor = await self._stay(tap, cursor)
                continue
            batch = await self._log.wait_after(cursor, self._idle_s)  # at once if there are messages
            if self._log.closed and not batch.updates:
                return
            yield batch
            cursor = batch.cursor

    async def _stay(self, tap: Tap, cursor: Cursor) -> Cursor:
        """Let the hub write to a reader that is at the newest `cursor`; returns where it is when it is handed back."""
        self._flush()  # now everybody is there
        self._cursor = cursor
        handed_back: asyncio.Future[Cursor] = asyncio.get_running_loop().create_future()
        self._readers[tap] = handed_back
        tap.on_lost = self._hand_back
        if not self._heartbeat:
            self._await_silence()
        try:
            return await handed_back
        finally:
            tap.on_lost = None
            self._readers.pop(tap, None)

    def _on_news(self) -> None:
        if self._log.closed:
            self._flush()
        elif self._readers and not self._flush_is_due:
            if len(self._readers) <= self._few:
                self._flush()
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Write everything that is new."""
        self._flush_is_due = False
        while self._readers and self._cursor != self._log.newest:
            batch = self._log.after(self._cursor)
            self._write(batch)
            self._cursor = batch.cursor
        if self._log.closed:
            for tap in list(self._readers):
                self._hand_back(tap)

    def _write(self, batch: Batch) -> None:
        data, now = self._frame(batch), time.monotonic_ns()
        for tap in list(self._readers):
            try:
                if not tap.offer(data, now):
                    self._hand_back(tap)
            except Exception:  # of this one; the others still get theirs
                logging.getLogger("uvicorn.error").exception("can't write to a reader")
                tap.connection.cut()
        self._await_silence()

    def _hand_back(self, tap: Tap) -> None:
        handed_back = self._readers.pop(tap, None)
        if handed_back and not handed_back.done():
            handed_back.set_result(self._cursor)

    def _await_silence(self) -> None:
        if self._idle_s is not None:
            if self._heartbeat:
                self._heartbeat.cancel()
            self._heartbeat = asyncio.get_running_loop().call_later(self._idle_s, self._beat)

    def _beat(self) -> None:
        self._heartbeat = None
        if self._readers:
            self._write(Batch((), self._cursor))
