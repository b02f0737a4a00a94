"""`python -m app` as a process of its own: how it starts, how it ends, and what it says on the way."""

import asyncio
import contextlib
import json
import signal
import socket
from pathlib import Path

import pytest

from app.message import TEXT_MAX_BYTES
from tests.serving import LIMIT_S, ServerProcess, Wire, ask, connected, python, server_process

pytestmark = pytest.mark.anyio

ENDED = ["transport-compare has ended"]


async def publish(server: ServerProcess, text: str, times: int = 1) -> None:
    body = json.dumps({"text": text}).encode()
    async with Wire.to(server.port) as wire:
        for _ in range(times):
            await wire.ask("/messages", body=body, method="POST")
            assert (await wire.answer())[0] == 201


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("implementation", ["--loop uvloop", "--loop asyncio --http h11 --ws wsproto"])
async def test_a_signal_stops_it_with_readers_connected_and_one_line(implementation: str, how: int) -> None:
    async with server_process(*implementation.split()) as server, contextlib.AsyncExitStack() as stack:
        polling = await stack.enter_async_context(Wire.to(server.port))
        await polling.ask("/long-poll?hold=60")
        streaming, socket, idle = await stack.enter_async_context(connected(server.port))
        assert await server.end(how) == (0, ENDED)
        status, body = await polling.answer()
        assert status == 200
        assert json.loads(body)["messages"] == []
        assert await streaming.rest() == b"0\r\n\r\n"
        assert (await socket.rest())[:4] in (b"\x88\x02\x03\xf4", b"\x88\x02\x03\xe9")  # close, 1012 or 1001
        assert await polling.rest() == await idle.rest() == b""


async def test_readers_that_do_not_read_do_not_hold_up_the_shutdown() -> None:
    async with server_process() as server, contextlib.AsyncExitStack() as stack:
        await publish(server, "a" * TEXT_MAX_BYTES, 600)  # 10 MB: more than both systems' buffers take
        streaming, socket = [await stack.enter_async_context(Wire.to(server.port)) for _ in range(2)]
        for wire in (streaming, socket):
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await streaming.ask("/sse?after=0")
        await socket.upgrade("/websocket?after=0")
        for wire in (streaming, socket):
            await arrived(wire)
        assert await server.end() == (0, ENDED)


async def arrived(wire: Wire) -> None:
    """Wait until there is something to read, without reading it."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    sock = wire.writer.get_extra_info("socket")
    with socket.socket(fileno=socket.dup(sock.fileno())) as copy:
        loop.add_reader(copy, came.set)
        await asyncio.wait_for(came.wait(), LIMIT_S)
        loop.remove_reader(copy)


async def fails(*options: str) -> tuple[int | None, list[str]]:
    """The exit code and the lines on standard error of a server that does not start."""
    process = await python("-m", "app", *options)
    stdout, stderr = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert stdout == b""
    return process.returncode, stderr.decode().splitlines()


async def test_a_busy_port_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        code, (line,) = await fails("--port", str(port))
    assert code == 1
    assert line.startswith(f"can't listen on 127.0.0.1:{port}: Address already in use")
    assert line.endswith("; try --port 0")


async def test_it_listens_on_a_unix_socket_too_and_clears_it_away(tmp_path: Path) -> None:
    unix = tmp_path / "in"
    async with server_process("--unix", str(unix)) as server:
        reader, writer = await asyncio.open_unix_connection(unix)
        async with Wire.over(reader, writer, server.port) as wire:
            await wire.ask("/messages", body=b'{"text": "hello"}', method="POST")
            assert (await wire.answer())[0] == 201
        _, body = await ask(server.port, "/short-poll?after=0")
        assert json.loads(body)["messages"][0]["text"] == "hello"
        code, (line,) = await fails("--port", "0", "--unix", str(unix))
        assert (code, line) == (1, f"can't listen on {unix}: Address already in use; try another path")
        assert await server.end() == (0, ENDED)
    assert not unix.exists()


@pytest.mark.parametrize(
    "options",
    [
        *("--port 65536", "--keep 0", "--publish-hz nan", "--delay-ms 10001", "--ws none", "--nothing"),
        "--record /nowhere/at/all",
    ],
)
async def test_bad_options_are_reported(options: str) -> None:
    code, lines = await fails(*options.split())
    assert code == 2
    assert lines[0].startswith("usage: ")
    assert options.split()[0].lstrip("-") in lines[-1]


async def test_it_says_how_many_connections_it_takes_where_file_descriptors_limit_them() -> None:
    async with server_process(descriptors=150) as server, contextlib.AsyncExitStack() as stack:
        assert server.process.stdout is not None
        said = (await asyncio.wait_for(server.process.stdout.readline(), LIMIT_S)).decode()
        why = "the system allows it too few file descriptors (ulimit -n)"
        assert said == f"it takes 65 connections at once, not 20000: {why}\n"
        wires = [await stack.enter_async_context(Wire.to(server.port)) for _ in range(67)]
        for wire in wires:
            await wire.ask("/short-poll")
        assert [(await wire.answer())[0] for wire in wires] == [200] * 65 + [503] * 2
        assert await server.end() == (0, ENDED)


async def test_the_log_has_the_size_that_was_asked_for() -> None:
    async with server_process("--keep", "2") as server:
        await publish(server, "hello", 3)
        _, body = await ask(server.port, "/short-poll?after=0")
        assert len(json.loads(body)["messages"]) == 2
        assert await server.end() == (0, ENDED)
