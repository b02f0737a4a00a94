"""The server of this project, with its tap, as `python -m app` starts it; only what it publishes comes from here."""

import argparse
import asyncio
from typing import get_args

import uvloop

from app.__main__ import REFUSED_AT_ONCE, collect_rarely, descriptors_max, listen
from app.chat import Chat
from app.link import FanOut, Link
from app.log import MessageLog
from app.server import CONNECTIONS_MAX, Server, create_app
from app.sessions import Sessions
from experiments.bench.peers.control import obey


async def main(text: str, fan_out: FanOut) -> None:
    listening, log = listen("127.0.0.1", 0), MessageLog()
    sessions, chat = Sessions(), Chat(log)
    descriptors = descriptors_max()
    most = min(CONNECTIONS_MAX, descriptors - REFUSED_AT_ONCE)
    link = Link(0, {"s": sessions, "chat": chat}, (), "pass", descriptors, fan_out, most)
    server = Server(create_app(log, sessions, chat), (log, sessions), link)

    async def publish(count: int) -> None:
        for _ in range(count):
            log.publish(text)

    collect_rarely()
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:  # noqa: ASYNC110  # uvicorn tells in no other way
        await asyncio.sleep(0.01)
    await asyncio.gather(serving, obey(publish, listening.getsockname()[1]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("text")
    parser.add_argument("--fan-out", choices=get_args(FanOut), default="hub")
    options = parser.parse_args()
    uvloop.run(main(options.text, options.fan_out))
