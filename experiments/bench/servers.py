"""The servers that are measured, by name."""

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass

from experiments.bench import install
from experiments.bench.opening import Transport

PEERS = "experiments.bench.peers"


@dataclass(frozen=True)
class Server:
    """`program` is a module of `peers`, or a file of it for Node; `has_cursors`: tells each new reader its cursor."""

    title: str
    program: str
    transports: tuple[Transport, ...]
    options: tuple[str, ...] = ()
    has_cursors: bool = False
    needs: Callable[[], str] = str
    """Installs what it needs; says why that failed, or nothing."""

    def command(self, text: str) -> list[str]:
        """Start it like this; all messages have this text."""
        if self.program.endswith(".js"):
            return ["node", "--expose-gc", str(install.PEERS / self.program), text]
        return [sys.executable, "-m", f"{PEERS}.{self.program}", text, *self.options]


PUSHED: tuple[Transport, ...] = ("websocket", "sse", "socket_io")
POLLED: tuple[Transport, ...] = ("short_poll", "long_poll")

SERVERS = {
    "raw": Server("raw asyncio", "raw", ("websocket", "sse")),
    "raw_joined": Server("raw asyncio, joined", "raw", ("websocket", "sse"), ("--joined",)),
    "picows": Server("picows", "picows_server", ("websocket",), needs=install.picows),
    "ws": Server("Node ws", "ws.js", ("websocket",), needs=install.node),
    "socket.io": Server("Node Socket.IO", "socket_io.js", ("socket_io",), needs=install.node),
    "http": Server("Node http", "http.js", POLLED, needs=install.node),
    "uvicorn": Server("uvicorn alone", "uvicorn_server", ("websocket", "sse")),
    "starlette": Server("plain Starlette", "starlette_server", ("websocket", "sse", *POLLED)),
    "hub": Server("this server", "this", (*PUSHED, *POLLED), ("--fan-out", "hub"), has_cursors=True),
    "tasks": Server("this server, tasks", "this", (*PUSHED, *POLLED), ("--fan-out", "tasks"), has_cursors=True),
}


def missing(names: Collection[str]) -> dict[str, str]:
    """Which of these servers can't be measured here, and why, in a line each; what they need is installed first."""
    asked = {need: need() for need in {SERVERS[name].needs for name in names}}
    return {name: asked[SERVERS[name].needs] for name in names if asked[SERVERS[name].needs]}


def versions(names: Collection[str]) -> dict[str, str]:
    """Of what these servers are made of, beyond what the project itself needs."""
    found = {}
    needs = {SERVERS[name].needs for name in names}
    if install.picows in needs:
        found["picows"] = importlib.metadata.version("picows")
    if install.node in needs:
        found["Node.js"] = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout[
            1:-1
        ]
        locked = json.loads((install.PEERS / "package-lock.json").read_text())["packages"]
        found |= {name: locked[f"node_modules/{name}"]["version"] for name in ("ws", "bufferutil", "socket.io")}
    return found
