"""Starlette on uvicorn as one writes it first: a loop over the WebSockets, a queue per stream, an event for polls."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from experiments.bench.peers.control import EPOCH, Messages
from experiments.bench.peers.uvicorn_server import serve


class Feed:
    """What has been published, and who reads it."""

    def __init__(self, text: str) -> None:
        self.messages = Messages(text)
        self.kept: list[str] = []
        self.news = asyncio.Event()
        self.sockets = set[WebSocket]()
        self.queues = set[asyncio.Queue[str]]()

    async def publish(self, count: int) -> None:
        for _ in range(count):
            self.kept.append(message := self.messages.next_json())
            for queue in self.queues:
                queue.put_nowait(f"id: {self.messages.cursor}\ndata: {message}\n\n")
            for socket in list(self.sockets):
                await socket.send_text(message)
        self.news.set()
        self.news = asyncio.Event()

    async def websocket(self, socket: WebSocket) -> None:
        await socket.accept()
        self.sockets.add(socket)
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            self.sockets.discard(socket)

    async def sse(self, _: Request) -> Response:
        queue = asyncio.Queue[str]()
        self.queues.add(queue)

        async def stream() -> AsyncIterator[str]:
            try:
                while True:
                    yield await queue.get()
            finally:
                self.queues.discard(queue)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def long_poll(self, request: Request) -> Response:
        after = request.query_params.get("after")
        hold_s = float(request.query_params.get("hold", 25))
        if hold_s and after == self.messages.cursor:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), hold_s)
        return self.batch(after)

    async def short_poll(self, request: Request) -> Response:
        return self.batch(request.query_params.get("after"))

    def batch(self, after: str | None) -> Response:
        new = self.kept[int(after.removeprefix(f"{EPOCH}-")) :] if after else []
        body = f'{{"messages":[{",".join(new)}],"cursor":"{self.messages.cursor}"}}'
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


async def main(text: str) -> None:
    feed = Feed(text)
    app = Starlette(
        routes=[
            WebSocketRoute("/websocket", feed.websocket),
            Route("/sse", feed.sse),
            Route("/long-poll", feed.long_poll),
            Route("/short-poll", feed.short_poll),
        ]
    )
    await serve(app, feed.publish)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
