"""Socket.IO: named events and acknowledgements, over long polling at first, and WebSocket once that is seen to work.

    browser                                       server
       |                                             |
       |-- GET /socket.io/?transport=polling ------->|
       |<- 0{"sid":...,"upgrades":["websocket"]} ----|    a session begins
       |-- POST 40{"after":"7f3a90c2-4"} ----------->|    4: a packet of Socket.IO; 0: connect
       |<- 40{...} and 42["cursor",{...}] -----------|    asked by GETs. 2: an event; this one says where we stand
       |-- GET ?transport=websocket  Upgrade: ... -->|
       |== 2probe ==== 3probe ==== 5 ===============>|    it works: from here on all goes this way
       |                                             *    message 5 is published
       |<= 42["message",{"cursor":...,"text":...}] ==|    14 bytes around it, and the frame's own 2 to 4
       |== 420["publish",{"text":"hello"}] =========>|    an event with a number, 0 ...
       |<= 430[{"cursor":...,"text":"hello"}] =======|    ... is acknowledged under that number
       |<= 2 ==== 3 ================================>|    the heartbeat; app/engine_io.py has its intervals

The library comes back by itself; its `auth` (or query) says where it was. `io()` without one hears `to-client` as well.
"""

import asyncio
import json

from socketio import AsyncServer, exceptions
from starlette.datastructures import QueryParams
from starlette.routing import BaseRoute, Route, WebSocketRoute

from app.engine_io import EngineIO, requested_cursor, room_for_more, server
from app.log import MessageLog
from app.message import BadInput, Cursor, Missed, check_publication

PATH = "/socket.io/"


def routes(log: MessageLog) -> list[BaseRoute]:
    sio, pushing = server(), dict[str, asyncio.Task[None]]()

    def connect(sid: str, environ: dict[str, str], auth: object) -> None:
        try:
            cursor = log.resolve_cursor(requested_cursor(QueryParams(environ["QUERY_STRING"]), auth))
        except BadInput as problem:
            raise exceptions.ConnectionRefusedError(str(problem)) from None
        if sid not in pushing:  # a client can emit "connect", too
            pushing[sid] = asyncio.create_task(push(log, cursor, sio, sid, auth is None))  # begins after the answer

    def said(event: str, _: str, *what: object) -> object:
        try:
            if event != "publish" or len(what) != 1:
                raise BadInput('emit "publish" with {"text": "..."}, or "to-server" with a text')
            return json.loads(log.publish(*check_publication(what[0])).json)  # the acknowledgement
        except BadInput as problem:
            return {"error": str(problem)}

    sio.on("connect", connect)
    sio.on("*", said)
    sio.on("to-server", lambda sid, *texts: said("publish", sid, *({"text": text} for text in texts)))
    sio.on("disconnect", lambda sid, *_: sid in pushing and pushing.pop(sid).cancel())
    return [Route(PATH, app := EngineIO(log, sio), methods=["GET", "POST"]), WebSocketRoute(PATH, app)]


async def push(log: MessageLog, cursor: Cursor, sio: AsyncServer, sid: str, plain: bool) -> None:
    session = sio.eio.sockets[sio.manager.eio_sid_from_sid(sid, "/")]
    start, missed = log.resume_from(cursor)
    await (emit_missed(sio, sid, missed) if missed else sio.emit("cursor", {"cursor": str(start)}, to=sid))
    async for batch in log.follow(start):
        if batch.missed:
            await emit_missed(sio, sid, batch.missed)
        for m in batch.messages:
            await sio.eio.send(session.sid, f'2["message",{m.json}]')  # what emit makes, written once
            if plain:  # for whom there is no more to a message than its text
                await sio.emit("to-client", f"{m.name}: {m.text}" if m.name else m.text, to=sid)
        await room_for_more(session)  # until then, all else waits in the log


async def emit_missed(sio: AsyncServer, sid: str, missed: Missed) -> None:
    await sio.emit("missed", json.loads(missed.json)["missed"], to=sid)
