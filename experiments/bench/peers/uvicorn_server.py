"""uvicorn alone: an ASGI application without a framework. What it costs, nothing on uvicorn can go below."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from experiments.bench.peers.control import BACKLOG, Messages, listener, obey


class Bare:
    """Keeps the `send` of each reader, and calls it."""

    def __init__(self, text: str) -> None:
        self.messages = Messages(text)
        self.sockets, self.streams = set[Send](), set[Send]()

    async def publish(self, count: int) -> None:
        for _ in range(count):
            message = self.messages.next_json()
            for send in list(self.sockets):
                await send({"type": "websocket.send", "text": message})
            chunk = f"id: {self.messages.cursor}\ndata: {message}\n\n".encode()
            for send in list(self.streams):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            readers = self.sockets
        else:
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
            )
            readers = self.streams
        readers.add(send)
        while not (await receive())["type"].endswith(".disconnect"):
            pass
        readers.discard(send)


async def serve(app: ASGIApp, publish: Callable[[int], Awaitable[None]]) -> None:
    """On uvicorn, as fast as it gets, until standard input ends."""
    listening = listener()
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        backlog=BACKLOG,
        timeout_keep_alive=120,
        access_log=False,
        log_level="error",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:  # noqa: ASYNC110  # uvicorn tells in no other way
        await asyncio.sleep(0.01)
    await asyncio.gather(serving, obey(publish, listening.getsockname()[1]))


async def main(text: str) -> None:
    bare = Bare(text)
    await serve(bare, bare.publish)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
