"""A crowd: up to 200 readers that a page opens, to see what it costs to tell everybody.

A browser can't open them: six connections per host over HTTP/1.1, and 255 WebSockets in all. So the server starts a
process of its own for them (app/readers.py), on the server's machine. Its readers read the session's messages over
/s/SESSION/crowd-.../TRANSPORT, like any other reader, and the page is told when each of them had a message.

A page has one crowd at a time. It ends when the page says so, asks for another one, or leaves; after `LIFE_S`; and
with the server. Nothing that somebody typed is on the process's command line.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.message import BadInput, dumps
from app.readers import FRAMINGS
from app.transports import TRANSPORTS

READERS_MAX = 200
CROWDS_MAX = 4
"""How many crowds a server has at a time; the page that compares two ways of telling everybody opens two."""

LIFE_S = 300.0
"""How long a crowd lives at most: a page that was forgotten leaves room for another one's."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The crowd that a page wants."""

    readers: int
    transport: str

    @classmethod
    def read(cls, fields: object) -> "Asked":
        """What a JSON object asks for; raises BadInput for anything else."""
        if not isinstance(fields, dict) or set(fields) != {"readers", "transport"}:
            raise BadInput("a crowd is an object with readers and transport, or null for none")
        if type(fields["readers"]) is not int or not 1 <= fields["readers"] <= READERS_MAX:
            raise BadInput(f"this number of readers is not accepted: give 1 to {READERS_MAX}")
        if fields["transport"] not in tuple(FRAMINGS):
            raise BadInput(f"this transport is not accepted: give one of {', '.join(FRAMINGS)}")
        return cls(**fields)


class Crowds:
    """How many crowds a server has."""

    def __init__(self) -> None:
        self.open = 0


class Crowd:
    """The crowd of one page: none, until it asks for one. `tell` is called with what happens to it:

    {"open": 200}                                   all readers are connected and wait
    {"cursor", "delays_ms": [...], "busy_ms"}       a message has arrived (app/readers.py says what that is)
    {"ended": why}      why: full (there are `CROWDS_MAX`), refused, lost (a connection or the process), time
    """

    def __init__(
        self,
        crowds: Crowds,
        session: str,
        server: tuple[str, int | None] | None,
        tell: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """`session` is a session's name; `server` is the address at which the page itself has reached the server."""
        self._crowds = crowds
        self._session = session
        self._server = server
        self._tell = tell
        self._serving: asyncio.Task[None] | None = None

    async def change(self, fields: object) -> None:
        """End the crowd, and begin the one in a JSON object, unless that is None; raises BadInput."""
        asked = None if fields is None else Asked.read(fields)
        if not self._server or self._server[1] is None:
            raise BadInput("readers connect over TCP: open this page over TCP, not over a Unix socket")
        await self.close()
        if asked:
            self._serving = asyncio.create_task(self._serve(asked, *self._server))

    async def close(self) -> None:
        """End the crowd, if there is one; when this returns, its process has ended."""
        if self._serving:
            self._serving.cancel()
            await asyncio.wait([self._serving])

    async def _serve(self, asked: Asked, host: str, port: int | None) -> None:
        if self._crowds.open >= CROWDS_MAX:
            self._tell({"ended": "full"})
            return
        target = f"/s/{self._session}/crowd-{secrets.token_hex(4)}{TRANSPORTS[asked.transport].PATH}"
        job = {"host": host, "port": port, "target": target, "transport": asked.transport, "readers": asked.readers}
        self._crowds.open += 1
        try:
            async with asyncio.timeout(LIFE_S):
                await self._read(dumps(job))
        except TimeoutError:
            self._tell({"ended": "time"})
        except (OSError, ValueError):  # no process could be started, or it broke off in the middle of a line
            self._tell({"ended": "lost"})
        finally:
            self._crowds.open -= 1

    async def _read(self, job: str) -> None:
        """Have the readers read, and tell what they say. Raises OSError."""
        process = await start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(f"{job}\n".encode())
            said: dict[str, Any] = {}
            while line := await process.stdout.readline():
                said = json.loads(line)
                self._tell(said)
            if "ended" not in said:
                self._tell({"ended": "lost"})
        finally:
            process.stdin.close()
            if process.returncode is None:
                # asyncio's own kill() looks whether the process has ended, and then asyncio can't find out any more.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            await ended(process)


async def ended(process: Process) -> None:
    """Wait for a killed process, however often that is cancelled: a shutdown may be impatient."""
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            await process.communicate()
            break
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled:
        raise cancelled


async def start() -> Process:
    """The readers' process. It is in a session of its own: Ctrl-C in the server's terminal is for the server."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.readers"),
        cwd=Path(__file__).parent.parent,
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
