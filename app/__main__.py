"""`python -m app`: start the server, print its address, and shut down cleanly."""

import argparse
import asyncio
import contextlib
import gc
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from app.chat import Chat
from app.guard import LOCAL_NAMES
from app.link import FanOut, Link, Owner, Upgrades
from app.log import KEEP, MessageLog
from app.record import Recorder, Sample
from app.server import BACKLOG, CONNECTIONS_MAX, Server, create_app
from app.sessions import Sessions

DESCRIPTORS_KEPT = 64
"""How many file descriptors are kept free of connections: for files, for logs, for those that are just accepted."""

REFUSED_AT_ONCE = 128
"""How many descriptors, at most, are kept for connections beyond the limit, until each has read its 503."""

GARBAGE_OBJECTS = 10_000
"""How many more objects there have to be before Python looks for garbage among the new ones."""

LOST_AFTER_S = 60
"""How long a client may be gone without a word, or not read, before its connection is dropped."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until Ctrl-C or SIGTERM; returns the exit code."""
    options = parse(arguments)
    listeners: list[socket.socket] = []
    try:
        listeners.append(listen(options.host, options.port))
        if options.unix:
            listeners.append(listen_locally(options.unix))
    except OSError as problem:
        address = f"{options.host}:{options.port}"
        where, instead = (options.unix, "another path") if listeners else (address, "--port 0")
        print(f"can't listen on {where}: {problem.strerror}; try {instead}", file=sys.stderr)
        return 1
    log = MessageLog(options.keep)
    recorder = Recorder(options.record_bytes) if options.record else None
    sessions, chat = Sessions(), Chat(log)
    owners: dict[str, Owner] = {"s": sessions, "chat": chat}
    descriptors = descriptors_max()
    most = min(CONNECTIONS_MAX, descriptors - min(REFUSED_AT_ONCE, descriptors // 4))
    observers = [recorder] if recorder else []
    link = Link(options.delay_ms / 1000, owners, observers, options.upgrades, descriptors, options.fan_out, most)
    names = (*LOCAL_NAMES, url_name(options.host), *options.allow_host)
    app = create_app(log, sessions, chat, names, options.publish_hz)
    server = Server(app, (log, sessions), link, options.loop, options.http, options.ws, options.tap)

    async def serve() -> None:
        if recorder:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, recorder.mark, link)
        port = listeners[0].getsockname()[1]
        print(f"transport-compare is at http://{url_name(options.host)}:{port}/ (Ctrl-C ends it)", flush=True)
        if options.tap and most < CONNECTIONS_MAX:
            why = "the system allows it too few file descriptors (ulimit -n)"
            print(f"it takes {most} connections at once, not {CONNECTIONS_MAX}: {why}", flush=True)
        await server.serve(listeners)

    collect_rarely()
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn shuts down, then raises the signal again
        signal.signal(signal.SIGTERM, lambda *_: None)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(serve())
    if recorder:
        recorder.write(options.record)
    if options.unix:
        options.unix.unlink(missing_ok=True)
    print("transport-compare has ended", file=sys.stderr)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked; exits with 2 and a reason for what it does not accept."""
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="One message log, offered by every transport, on one server.",
        epilog=f"Up to {CONNECTIONS_MAX} connections are taken at once, fewer if the system allows the process fewer "
        "file descriptors (ulimit -n). Further ones get a 503 that says so.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name or address that browsers may use for this server; may be repeated",
    )
    parser.add_argument(
        "--keep", type=int, default=KEEP, metavar="N", help="messages kept in the log (default: %(default)s)"
    )
    parser.add_argument(
        "--publish-hz",
        type=float,
        default=0.0,
        metavar="RATE",
        help="publish sample messages, this many per second at random times (default: off)",
    )
    parser.add_argument(
        "--delay-ms",
        type=float,
        default=0.0,
        metavar="MS",
        help="emulated one-way network delay (default: none)",
    )
    parser.add_argument(
        "--upgrades",
        choices=get_args(Upgrades),
        default="pass",
        help="a network where WebSocket does not get through: refuse responds 400, cut cuts (default: %(default)s)",
    )
    parser.add_argument(
        "--fan-out",
        choices=get_args(FanOut),
        default="hub",
        help="who writes a message to the readers: a task for each, or a hub for all (default: %(default)s)",
    )
    parser.add_argument("--unix", type=Path, metavar="PATH", help="listen on a Unix socket too, which is not delayed")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write all bytes of all connections at the end")
    parser.add_argument(
        "--record-bytes",
        default="all",
        metavar="WHICH",
        help="what the recording remembers: `all` bytes; `counts`, only how many, to measure memory; or SHARE:SEED, "
        "those of a share of the connections (default: %(default)s)",
    )
    parser.add_argument(
        "--no-tap",
        dest="tap",
        action="store_false",
        help="see no bytes, delay none and limit no connections, to measure what the tap costs",
    )
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop", help="(default: %(default)s)")
    parser.add_argument("--http", choices=("httptools", "h11"), default="httptools", help="(default: %(default)s)")
    parser.add_argument(
        "--ws",
        choices=("websockets-sansio", "websockets", "wsproto"),
        default="websockets-sansio",
        help="uvicorn's WebSocket implementation (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    for name, value, low, high in (
        ("port", options.port, 0, 65_535),
        ("keep", options.keep, 1, 1_000_000),
        ("publish-hz", options.publish_hz, 0, 1_000),
        ("delay-ms", options.delay_ms, 0, 1_000),
    ):
        if not low <= value <= high:
            parser.error(f"--{name} {value} is not accepted: give {low} to {high}")
    try:
        options.record_bytes = Sample.parse(options.record_bytes)
    except ValueError:
        parser.error(f"--record-bytes {options.record_bytes} is not accepted: give all, counts, or SHARE:SEED (0.02:7)")
    if options.record and not options.record.parent.is_dir():
        parser.error(f"--record {options.record} can't be written: there is no such folder")
    return options


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError when the address is not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Connections inherit all this. With Nagle's algorithm, which asyncio leaves on, a response can wait for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", LOST_AFTER_S // 2),
        ("TCP_KEEPALIVE", LOST_AFTER_S // 2),  # macOS's name for it
        ("TCP_KEEPINTVL", LOST_AFTER_S // 6),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", LOST_AFTER_S * 1000),  # also for a client that is there, but does not read
    ):
        if option := getattr(socket, name, None):
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
    return listener


def descriptors_max() -> int:
    """File descriptors from this one on are not for connections; the process may have as many as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else 65_536
    with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft - DESCRIPTORS_KEPT, DESCRIPTORS_KEPT)


def collect_rarely() -> None:
    """Let Python look for garbage less often, and not in what is loaded by now: with a crowd, that is a lot of work.

    Nearly everything goes as soon as nobody refers to it. What is left for the collector are connections that closed.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


def listen_locally(path: Path) -> socket.socket:
    """A listening Unix socket at `path`; raises OSError when it can't be created."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def url_name(host: str) -> str:
    """An address as it stands in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    sys.exit(main())
