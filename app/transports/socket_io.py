"""Socket.IO: named events and acknowledgements, over long polling at first, and over WebSocket as soon as that works.

    browser                                       server
       |-- GET /socket.io/?transport=polling ------->|
       |<- 0{"sid":...,"upgrades":["websocket"]} ----|    a session begins
       |-- POST 40{"after":"7f3a90c2-4"} ----------->|    4: a packet of Socket.IO; 0: connect
       |<- 40{...} and 42["cursor",{...}] -----------|    in the responses to GETs. 2: an event; the cursor
       |-- GET ?transport=websocket  Upgrade: ... -->|
       |== 2probe ==== 3probe ==== 5 ===============>|    it works, and is used from here on
       |                                             *    message 5 is published
       |<= 42["message",{"cursor":...,"text":...}] ==|    14 bytes around it, and the frame's own 2 to 4
       |== 420["publish",{"text":"hello"}] =========>|    an event with a number, 0 ...
       |<= 430[{"cursor":...,"text":"hello"}] =======|    ... is acknowledged under that number
       |<= 2 ==== 3 ================================>|    the heartbeat; app/engine_io.py has its intervals

The library reconnects by itself; its `auth` (or query) says where it was. A bare `io()` receives `to-client` as well.
"""

import asyncio
from functools import partial

from socketio import AsyncServer, exceptions
from starlette.routing import BaseRoute, Route, WebSocketRoute

from app.engine_io import EngineIO, requested_cursor, room_for_more, server
from app.fanout import Hub
from app.framing import message_frames, socket_io_events
from app.log import MessageLog
from app.message import BadInput, Cursor
from app.publishing import publish_emitted

PATH = "/socket.io/"


def routes(log: MessageLog) -> list[BaseRoute]:
    sio, pushing = server(), dict[str, asyncio.Task[None]]()
    hubs = {bare: Hub(log, partial(message_frames, bare), few=0) for bare in (False, True)}  # after the reply

    def connect(sid: str, environ: dict[str, str], auth: object) -> None:
        try:
            cursor = log.resolve_cursor(requested_cursor(environ["QUERY_STRING"], auth))
        except BadInput as problem:
            raise exceptions.ConnectionRefusedError(str(problem)) from None
        if sid not in pushing:  # a client can emit "connect", too
            pushing[sid] = asyncio.create_task(push(log, hubs, cursor, sio, sid, auth is None))  # after the response

    def publish(_: str, *arguments: object) -> object:
        return publish_emitted(log, arguments)  # the acknowledgement

    def to_server(sid: str, *texts: object) -> object:
        return publish(sid, *({"text": text} for text in texts))

    def disconnect(sid: str, *_: object) -> None:
        if sid in pushing:
            pushing.pop(sid).cancel()

    events = {"connect": connect, "publish": publish, "to-server": to_server, "disconnect": disconnect}
    for event, handler in {**events, "*": lambda *_: publish_emitted(log, [])}.items():
        sio.on(event, handler)
    return [Route(PATH, app := EngineIO(log, sio), methods=["GET", "POST"]), WebSocketRoute(PATH, app)]


async def push(log: MessageLog, hubs: dict[bool, Hub], cursor: Cursor, sio: AsyncServer, sid: str, bare: bool) -> None:
    session = sio.eio.sockets[sio.manager.eio_sid_from_sid(sid, "/")]
    if log.honours(cursor):
        await sio.emit("cursor", {"cursor": str(cursor)}, to=sid)
    async for batch in hubs[bare].follow(cursor, session.session):
        for event in socket_io_events(bare, batch):
            await sio.eio.send(session.sid, event)  # what emit makes, written once
        await room_for_more(session)  # until then, everything else waits in the log
