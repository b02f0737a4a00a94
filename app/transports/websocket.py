"""WebSocket: an HTTP request turns the connection into one where both sides send when they like (RFC 6455).

    browser                                       server
       |                                             |
       |-- GET /websocket   Upgrade: websocket ----->|
       |<- 101 Switching Protocols ------------------|    the last HTTP on this connection
       |<= {"cursor":"7f3a90c2-4"} ==================|    the reader's cursor
       |                                             *    message 5 is published
       |<= {"cursor":"7f3a90c2-5","text":...} =======|    a frame: 2 to 4 bytes in front of the message
       |                                             |
       |== {"text":"hello"} ========================>|    publishing takes no request either
       |<= {"cursor":"7f3a90c2-6","text":"hello"} ===|
       |                                             |
       |<= ping ==== pong ==========================>|    the heartbeat is part of the protocol

The protocol has no `Last-Event-ID`: a client that reconnects says where it was, `?after=CURSOR`.
Close codes (RFC 6455, section 7.4.1): 1001 when the log is closed, 1003 if a frame is not text, 1008 if it is refused.
"""

import asyncio

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.close import NotText, close_with_reason
from app.fanout import Hub
from app.framing import text_frames
from app.log import MessageLog
from app.message import BadInput, Cursor, position_json, read_publication
from app.query import parameters

PATH = "/websocket"


def routes(log: MessageLog) -> list[BaseRoute]:
    hub = Hub(log, text_frames)

    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        try:
            cursor = log.resolve_cursor(parameters(socket.query_params, "after").get("after"))
            pushing = asyncio.create_task(push(log, hub, cursor, socket))
            try:
                while (frame := await socket.receive())["type"] == "websocket.receive":
                    if frame.get("text") is None:
                        raise NotText('send text frames, {"text": "..."}')
                    log.publish(*read_publication(frame["text"]))
            finally:
                pushing.cancel()
        except BadInput as problem:
            await close_with_reason(socket, 1003 if isinstance(problem, NotText) else 1008, problem)

    return [WebSocketRoute(PATH, websocket)]


async def push(log: MessageLog, hub: Hub, cursor: Cursor, socket: WebSocket) -> None:
    try:
        if log.honours(cursor):
            await socket.send_text(position_json(cursor))
        async for batch in hub.follow(cursor, socket.scope):  # once it has read all, the hub writes
            for update in batch.updates:
                await socket.send_text(update.json)
        await socket.close(1001, "the log is closed: no more messages come")
    except WebSocketDisconnect:
        pass  # the client left while we were writing; the receiving side notices too, and ends both
