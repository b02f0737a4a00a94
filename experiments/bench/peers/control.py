"""What the Python servers share: where they listen, what they publish, and when."""

import asyncio
import gc
import json
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable

BACKLOG = 2_048
EPOCH = "7f3a90c2"


class Messages:
    """Makes messages just like this server's: the same JSON, with the same text in each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.made = 0

    @property
    def cursor(self) -> str:
        return f"{EPOCH}-{self.made}"

    def next_json(self) -> str:
        self.made += 1
        fields = {"cursor": self.cursor, "text": self.text, "published_ms": time.monotonic_ns() / 1e6}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def listener() -> socket.socket:
    """A listening socket on a free port, without Nagle's algorithm, as Node's servers are."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def obey(publish: Callable[[int], Awaitable[None]], port: int) -> None:
    """Say `ready`, and do what standard input says; `publish(n)` publishes so many messages. Ends the process."""
    loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    say(f"ready {port}")
    while line := await lines.readline():
        if line == b"collect\n":
            gc.collect()
            say("collected")
            continue
        per_tick, ticks, interval_ms = map(float, line.split()[1:])
        due = loop.time()
        for _ in range(int(ticks)):
            await asyncio.sleep(max(0.0, due - loop.time()))
            await publish(int(per_tick))
            due += interval_ms / 1000
        say("published")
    os._exit(0)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
