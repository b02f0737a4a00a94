"""What a page is shown of its own sockets, and how it sets its session: one WebSocket, `/watch?session=S&page=P`.

The server sends, one JSON object per frame:

    {"hello": {"newest": cursor, "settings": {...} or null}}        first; null: nobody has set any yet
    {"closed": {"connection", "at_ms"}}               what has not left the socket by then never will
    {"piece": {"connection", "direction", "at_ms", "delay_ms", "size", "base64"}}      one read or write of a socket
    {"published": {"cursor", "published_ms"}}
    {"settings": {"publish_hz", "delay_ms", "upgrades", "fan_out"}}                    whichever page changed them
    {"clock": {"page_ms", "server_ms"}}               the response to a page's `clock`
    {"lost": {"things", "up", "down"}}                the page reads too slowly: this many things, bytes up, down
    {"crowd": {...}}                                  what happens to the page's crowd (app/crowd.py)

and the page sends, one per frame: `{"clock": page_ms}`, `{"settings": {...}}`, `{"publish": text}`, `{"cut": true}`,
`{"crowd": {"readers": 200, "transport": "sse"}}`, which opens a crowd, and `{"crowd": null}`, which ends it.

A piece going up reached the server's socket `at_ms` and the application `delay_ms` later; one going down was written
by the application `at_ms` and left the socket `delay_ms` later. Times are the server's monotonic clock, as in
messages. This connection belongs to no page, so it is never shown or counted.
"""

import asyncio
import json
import time
from dataclasses import asdict

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.close import close_with_reason
from app.crowd import Crowd, Crowds
from app.log import MessageLog
from app.message import BadInput, Cursor, check_text
from app.query import parameters
from app.sessions import Full, Session, Sessions, Settings, Watcher, checked_name, is_number

PATH = "/watch"


def routes(sessions: Sessions) -> list[BaseRoute]:
    crowds = Crowds()

    async def watch(socket: WebSocket) -> None:
        await socket.accept()
        try:
            asked = parameters(socket.query_params, "session", "page")
            page, name = checked_name(asked, "page"), checked_name(asked, "session")
            with sessions.watched(name, page) as (session, watcher):
                settings = session.settings and asdict(session.settings)
                newest = session.log.newest
                watcher.tell({"hello": {"newest": str(newest), "settings": settings}})
                telling = asyncio.create_task(tell(socket, session.log, newest, watcher))
                crowd = Crowd(crowds, name, socket.scope["server"], lambda what: watcher.tell({"crowd": what}))
                try:
                    while (frame := await socket.receive())["type"] == "websocket.receive":
                        await handle_command(frame.get("text"), session, watcher, crowd)
                finally:
                    telling.cancel()
                    await crowd.close()
        except (BadInput, Full) as problem:
            await close_with_reason(socket, 1008 if isinstance(problem, BadInput) else 1013, problem)

    return [WebSocketRoute(PATH, watch)]


async def tell(socket: WebSocket, log: MessageLog, newest: Cursor, watcher: Watcher) -> None:
    """Send the page everything, until it leaves."""
    listening = asyncio.create_task(listen(log, newest, watcher))
    try:
        while True:
            for text in await watcher.told():
                await socket.send_text(text)
    except WebSocketDisconnect:
        pass  # it left while we were writing; the receiving side notices too, and ends both
    finally:
        listening.cancel()


async def listen(log: MessageLog, newest: Cursor, watcher: Watcher) -> None:
    """Tell the page what is published after `newest`."""
    async for batch in log.follow(newest):
        for message in batch.messages:
            watcher.tell({"published": {"cursor": str(message.cursor), "published_ms": message.published_ms}})


async def handle_command(text: str | None, session: Session, watcher: Watcher, crowd: Crowd) -> None:
    """Carry out a page's command; raises BadInput."""
    try:
        ((what, value),) = json.loads(text or "").items()
    except (ValueError, AttributeError, RecursionError):
        what = value = None
    if what == "clock" and is_number(value, 2**53):
        watcher.tell({"clock": {"page_ms": value, "server_ms": time.monotonic_ns() / 1e6}})
    elif what == "settings":
        session.set(Settings.read(value))
    elif what == "publish" and isinstance(value, str):
        session.log.publish(check_text(value))
    elif what == "cut" and value is True:
        session.cut(watcher.page)
    elif what == "crowd":
        await crowd.change(value)
    else:
        raise BadInput('say {"clock": ms}, {"settings": {...}}, {"publish": "..."}, {"cut": true} or {"crowd": {...}}')
