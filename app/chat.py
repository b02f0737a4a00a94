"""The chat: people who talk in the server's one log, each over a transport of their choice.

A person's page uses the log's transports under a path of its own, `/chat/PERSON/sse`. That is how the server knows who
is present: everybody with an open request, and for `GRACE_S` after the last one, because a short poller pauses, and a
hidden tab's timers are slow. A notice tells everybody when somebody joins, leaves or changes: a message by the server
in the log itself, so that every transport delivers it in order. It lists everybody who is present, so the last notice
is always the whole list.

PERSON is a random name that the page keeps to itself. A person has to join before using it:

    POST /chat/join   {"person", "name", "transport"}    joins, or changes; {"after": where to begin, "server_ms"}
    POST /chat/leave  {"person"}                         leaves
    POST /chat/cut    {"person"}                         cuts this person's connections, and new ones for AWAY_S
    POST /chat/now    {"person"}                         {"server_ms", "requests", "bytes"}: the clock of messages'
                                                         published_ms; what this person's transport has cost so far

Nobody checks who uses a name; the page says so.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from app import publishing, transports
from app.link import Connection, Direction
from app.log import MessageLog
from app.message import BadInput, Cursor, check_name, read_json
from app.palette import PALETTE
from app.sessions import checked_name

PEOPLE_MAX = 100
GRACE_S = 75.0
"""How long a person without an open request stays present: a hidden tab's timers may fire only once a minute."""

AWAY_S = 5.0
HISTORY = 100
"""How many earlier messages a person receives on joining."""


@dataclass(eq=False)
class Person:
    """Somebody who is present. `leaving` is set while they have no open request; `requests` and `bytes`, up and down,
    are those of their own connections since they chose this transport."""

    key: str
    name: str
    transport: str
    open_requests: int = 0
    leaving: asyncio.TimerHandle | None = None
    away_until_ns: float = 0
    requests: int = 0
    bytes: int = 0


class Chat:
    """Everybody who is present. It owns all connections to /chat/..., and so it knows which ones to cut."""

    def __init__(self, log: MessageLog) -> None:
        self._log = log
        self._router = Router([*publishing.routes(log), *transports.routes(log)])
        self._people: dict[str, Person] = {}
        self._connections: dict[Connection, Person] = {}

    def join(self, key: str, name: str, transport: str) -> Cursor:
        """Add a person, or change their name or transport; returns where to read from. Raises HTTPException if full."""
        title = PALETTE[transport]["title"]
        person = self._people.get(key)
        if not person:
            if len(self._people) >= PEOPLE_MAX:
                raise HTTPException(503, f"{PEOPLE_MAX} people are here, which is the limit: try again later")
            person = self._people[key] = Person(key, name, transport)
            self._leave_later(person)
            self._notice(f"{name} has joined over {title}")
        if person.name != name:
            before, person.name = person.name, name
            self._notice(f"{before} is now called {name}")
        if person.transport != transport:
            person.transport, person.requests, person.bytes = transport, 0, 0
            self._notice(f"{name} has changed to {title}")
        return Cursor(self._log.epoch, max(self._log.oldest.seq, self._log.newest.seq - HISTORY))

    def leave(self, key: str) -> None:
        """Remove a person, if present."""
        if (person := self._people.pop(key, None)) and not self._log.closed:
            self._notice(f"{person.name} has left")

    @contextlib.contextmanager
    def open_request(self, person: Person) -> Iterator[None]:
        """Keep a person present while a request is open, and for `GRACE_S` after it."""
        if person.leaving:
            person.leaving.cancel()
        person.open_requests += 1
        try:
            yield
        finally:
            person.open_requests -= 1
            if not person.open_requests:
                self._leave_later(person)

    def cut(self, key: str) -> None:
        """Cut a person's connections, and each that they open within `AWAY_S`."""
        if person := self._people.get(key):
            person.away_until_ns = time.monotonic_ns() + AWAY_S * 1e9
            for connection, whose in list(self._connections.items()):
                if whose is person:
                    connection.cut()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/chat/join", self._join, methods=["POST"]),
            Route("/chat/leave", self._leave, methods=["POST"]),
            Route("/chat/cut", self._cut, methods=["POST"]),
            Route("/chat/now", self._now, methods=["POST"]),
            Mount("/chat/{person:name}", self._respond),
        ]

    def claim(self, connection: Connection, path: str) -> None:
        """The path, /chat/PERSON/..., names whose connection this is; while a person is away, none gets through."""
        _, _, key, *more = path.split("/")
        person = self._people.get(key) if more else None
        if not person:
            self._connections.pop(connection, None)
            return
        self._connections[connection] = person
        person.requests += 1
        if time.monotonic_ns() < person.away_until_ns:
            connection.cut()

    def observe(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        """Count the bytes for the person."""
        if person := self._connections.get(connection):
            person.bytes += len(data)

    def release(self, connection: Connection) -> None:
        """The connection is closed, or is nobody's any more."""
        self._connections.pop(connection, None)

    async def _join(self, request: Request) -> Response:
        fields = await read_fields(request, "person", "name", "transport")
        if fields["transport"] not in transports.TRANSPORTS:
            raise BadInput(f"there is no such transport: {', '.join(transports.TRANSPORTS)}")
        after = self.join(checked_name(fields, "person"), check_name(fields["name"]), fields["transport"])
        return JSONResponse({"after": str(after), "server_ms": time.monotonic_ns() / 1e6})

    async def _leave(self, request: Request) -> Response:
        self.leave(checked_name(await read_fields(request, "person"), "person"))
        return Response(status_code=204)

    async def _cut(self, request: Request) -> Response:
        self.cut(checked_name(await read_fields(request, "person"), "person"))
        return Response(status_code=204)

    async def _now(self, request: Request) -> Response:
        person = self._people.get(checked_name(await read_fields(request, "person"), "person"))
        cost = {"requests": person.requests, "bytes": person.bytes} if person else {"requests": 0, "bytes": 0}
        return JSONResponse({"server_ms": time.monotonic_ns() / 1e6, **cost})

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        if person := self._people.get(scope["path_params"]["person"]):
            with self.open_request(person):
                await self._router(scope, receive, send)
        else:
            await JSONResponse({"error": "you are not in the chat: join it first"}, 404)(scope, receive, send)

    def _leave_later(self, person: Person) -> None:
        def leave() -> None:
            if self._people.get(person.key) is person:  # they may have left and joined again
                self.leave(person.key)

        person.leaving = asyncio.get_running_loop().call_later(GRACE_S, leave)

    def _notice(self, what: str) -> None:
        people = tuple((person.name, person.transport) for person in self._people.values())
        self._log.publish(f"{what}: {len(people)} present", people=people)


async def read_fields(request: Request, *names: str) -> dict[str, str]:
    """The body's JSON object, which has these fields and no others, all of them strings; raises BadInput."""
    fields = read_json(await publishing.json_body(request))
    if (
        not isinstance(fields, dict)
        or set(fields) != set(names)
        or not all(isinstance(v, str) for v in fields.values())
    ):
        raise BadInput(f"send a JSON object with strings in it: {', '.join(names)}")
    return fields
