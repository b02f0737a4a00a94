"""Sessions: what one page, or one lecture hall, looks at, undisturbed by everybody else.

A session has a log of its own, a rate at which it publishes, and a network that the link emulates on its connections:
slower than the real one, and perhaps one where WebSocket does not get through. Its transports are the same as
everywhere; they only have a longer path, which tells the page that a connection belongs to:

    /s/SESSION/PAGE/sse

So a room of people can share a session, one log and one delay, while each page sees the bytes of its own sockets.
A session is created when it is first named, and ends a minute after the last page has stopped watching it.
"""

import asyncio
import base64
import contextlib
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Router
from starlette.types import Receive, Scope, Send

from app import publishing, transports
from app.link import Connection, Direction, FanOut, Upgrades
from app.log import MessageLog
from app.message import BadInput, dumps

SESSIONS_MAX = 256
UNWATCHED_S = 60.0
KEEP = 1_000
KEEP_MAX_CHARS = 1_048_576
WATCHERS_MAX = 512
FEED_MAX_CHARS = 1_048_576
"""How much may wait for a page that reads slowly; the rest is dropped, and the page is told how much that was."""

NAME = "[a-z0-9][a-z0-9-]{0,23}"
OF_A_PAGE = re.compile(f"/s/({NAME})/({NAME})/", re.ASCII)

MOST = {"publish_hz": 50, "delay_ms": 2_000}
"""The largest settings that are numbers."""


class NameConvertor(Convertor[str]):
    regex = NAME

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("name", NameConvertor())


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session's pages can set. `fan_out` may be left out: None is the link's own."""

    publish_hz: float = 0.0
    delay_ms: float = 0.0
    upgrades: Upgrades = "pass"
    fan_out: FanOut | None = None

    @classmethod
    def read(cls, fields: object) -> "Settings":
        """The settings in a JSON object; raises BadInput for anything that is not in it, or out of range."""
        if not isinstance(fields, dict) or {*fields, "fan_out"} != {*MOST, "upgrades", "fan_out"}:
            raise BadInput(f"settings are an object with {', '.join(MOST)} and upgrades, and perhaps fan_out")
        for name, most in MOST.items():
            if not is_number(fields[name], most):
                raise BadInput(f"this {name} is not accepted: give a number from 0 to {most}")
        if fields["upgrades"] not in get_args(Upgrades):
            raise BadInput(f"this upgrades is not accepted: give one of {', '.join(get_args(Upgrades))}")
        if fields.get("fan_out") not in (None, *get_args(FanOut)):
            raise BadInput(f"this fan_out is not accepted: give one of {', '.join(get_args(FanOut))}, or null")
        return cls(**fields)


def is_number(value: object, most: float) -> bool:
    """Whether that is a JSON number from 0 to `most`: not a boolean, not NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def checked_name(given: Mapping[str, str], what: str) -> str:
    """The name of a session or page in a request; raises BadInput."""
    name = given.get(what, "")
    if not re.fullmatch(NAME, name, re.ASCII):
        # What is accepted comes first: a WebSocket's reason may be cut off.
        raise BadInput(f"the {what} is 1 to 24 of a-z, 0-9 and (not first) -, not {name[:40]!r}")
    return name


class Full(Exception):
    """There can't be another session, or another watching page, now."""


class Watcher:
    """A page that watches: it is sent everything in order, as far as it keeps up."""

    def __init__(self, page: str) -> None:
        self.page = page
        self._told: list[str] = []
        self._chars = 0
        self._lost = {"up": 0, "down": 0, "things": 0}
        self._news = asyncio.Event()

    def tell(self, what: Mapping[str, Any], text: str | None = None) -> None:
        """Queue one thing; if too much waits already it is dropped, and counted. `text` is its JSON, if known."""
        if self._chars > FEED_MAX_CHARS:
            self._lost["things"] += 1
            if piece := what.get("piece"):
                self._lost[piece["direction"]] += piece["size"]
            return
        text = text or dumps(what)
        self._chars += len(text)
        self._told.append(text)
        self._news.set()

    async def told(self) -> list[str]:
        """Everything queued since the last time, one JSON object each; waits for it."""
        await self._news.wait()
        self._news.clear()
        told, self._told, self._chars = self._told, [], 0
        if self._lost["things"]:
            told.append(dumps({"lost": self._lost}))
            self._lost = dict.fromkeys(self._lost, 0)
        return told


class Session:
    """One log and its publisher, the pages that watch, and the connections of its pages."""

    def __init__(self) -> None:
        self.log = MessageLog(KEEP, KEEP_MAX_CHARS)
        self.router = Router([*publishing.routes(self.log), *transports.routes(self.log)])
        self.settings: Settings | None = None
        self.watchers: set[Watcher] = set()
        self.connections: dict[Connection, str] = {}
        self._publisher: asyncio.Task[None] | None = None

    def set(self, settings: Settings) -> None:
        """From now on, publish at this rate, and emulate this network on the session's connections."""
        before, self.settings = self.settings or Settings(), settings
        for connection in list(self.connections):
            self._emulate(connection)
            if settings.upgrades != "pass" and connection.upgraded:
                connection.cut()
        if settings.publish_hz != before.publish_hz and not self.log.closed:
            self._stop_publishing()
            self._publisher = asyncio.create_task(
                publishing.publish_by_itself(self.log, settings.publish_hz, random.Random())
            )
        for watcher in self.watchers:
            watcher.tell({"settings": asdict(settings)})

    def cut(self, page: str) -> None:
        """Break the connections of one page, as a lost network does."""
        for connection, owner in list(self.connections.items()):
            if owner == page:
                connection.cut()

    def claim(self, connection: Connection, page: str) -> None:
        """From now on, what crosses this connection belongs to that page."""
        self.connections[connection] = page
        self._emulate(connection)

    def observe(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        """Tell the page about a piece of bytes on one of its connections, if it watches: a crowd's pages never do."""
        page = self.connections[connection]
        if not self._watching(page):
            return
        piece = {
            "connection": connection.number,
            "direction": direction,
            "at_ms": at_ns / 1e6,
            "delay_ms": connection.lanes[direction].delay_s * 1e3,
            "size": len(data),
        }
        self._tell(page, {"piece": piece | {"base64": base64.b64encode(data).decode()}})

    def release(self, connection: Connection) -> None:
        """The connection is closed, or its next request is not for this session."""
        page = self.connections.pop(connection)
        if connection.closed_ns is None:
            connection.delay_by(None)
            connection.upgrades = connection.fan_out = None
        else:
            self._tell(page, {"closed": {"connection": connection.number, "at_ms": connection.closed_ns / 1e6}})

    def close(self) -> None:
        """Stop publishing, and end every reader."""
        self._stop_publishing()
        self.log.close()
        for connection in list(self.connections):
            self.release(connection)

    def _emulate(self, connection: Connection) -> None:
        connection.delay_by(self.settings.delay_ms / 1e3 if self.settings else None)
        connection.upgrades = self.settings.upgrades if self.settings else None
        connection.fan_out = self.settings.fan_out if self.settings else None

    def _watching(self, page: str) -> list[Watcher]:
        return [watcher for watcher in self.watchers if watcher.page == page]

    def _tell(self, page: str, what: Mapping[str, Any]) -> None:
        if watchers := self._watching(page):
            text = dumps(what)
            for watcher in watchers:
                watcher.tell(what, text)

    def _stop_publishing(self) -> None:
        if self._publisher:
            self._publisher.cancel()


class Sessions:
    """All sessions of a server. It owns all connections to /s/..., which it hands on to the session in the path."""

    def __init__(self) -> None:
        self.closed = False
        self._sessions: dict[str, Session] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._pages: dict[Connection, tuple[str, str]] = {}

    def routes(self) -> list[BaseRoute]:
        return [Mount("/s/{session:name}/{page:name}", self._respond)]

    def at(self, name: str) -> Session:
        """The session of that name, created if there is none; raises Full."""
        if name not in self._sessions:
            if self.closed:
                raise Full("the server is shutting down")
            if len(self._sessions) >= SESSIONS_MAX:
                raise Full(f"{SESSIONS_MAX} sessions are open, which is the limit: try again in a minute")
            self._sessions[name] = Session()
            self._end_later(name)
            for connection, (session, page) in self._pages.items():
                if session == name:
                    self._sessions[name].claim(connection, page)
        return self._sessions[name]

    @contextlib.contextmanager
    def watched(self, name: str, page: str) -> Iterator[tuple[Session, Watcher]]:
        """The session, kept for as long as the page watches, and the page's watcher; raises Full."""
        if sum(len(session.watchers) for session in self._sessions.values()) >= WATCHERS_MAX:
            raise Full(f"{WATCHERS_MAX} pages are watching, which is the limit: close one")
        session, watcher = self.at(name), Watcher(page)
        self._ends[name].cancel()
        session.watchers.add(watcher)
        try:
            yield session, watcher
        finally:
            session.watchers.remove(watcher)
            if not session.watchers and not self.closed:
                self._end_later(name)

    def close(self) -> None:
        """The server is shutting down: end every session."""
        self.closed = True
        for name in list(self._sessions):
            self._end(name)

    def claim(self, connection: Connection, path: str) -> None:
        """The path, /s/SESSION/PAGE/..., names the page that the connection belongs to from now on.

        The session may not be there yet: it is made when the request is handled, and only if the Guard lets it in.
        """
        match = OF_A_PAGE.match(path)
        page = (match[1], match[2]) if match else None
        if page == self._pages.get(connection):
            return
        self.release(connection)
        if page:
            self._pages[connection] = page
            if session := self._session_of(connection):
                session.claim(connection, page[1])

    def observe(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        """A piece of bytes passes a page's connection: show it."""
        if session := self._session_of(connection):
            session.observe(connection, direction, at_ns, data)

    def release(self, connection: Connection) -> None:
        """The connection is closed, or its next request is not for a session."""
        if session := self._session_of(connection):
            session.release(connection)
        self._pages.pop(connection, None)

    def _session_of(self, connection: Connection) -> Session | None:
        page = self._pages.get(connection)
        return self._sessions.get(page[0]) if page else None

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            session = self.at(scope["path_params"]["session"])
        except Full as problem:
            await JSONResponse({"error": str(problem)}, 503)(scope, receive, send)
        else:
            await session.router(scope, receive, send)

    def _end_later(self, name: str) -> None:
        self._ends[name] = asyncio.get_running_loop().call_later(UNWATCHED_S, self._end, name)

    def _end(self, name: str) -> None:
        self._ends.pop(name).cancel()
        self._sessions.pop(name).close()
