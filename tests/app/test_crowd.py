"""Crowds: their readers are real, what they report is what happened, and no process is ever left behind."""

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed

from app import crowd
from app.link import Connection, Direction
from tests.processes import children, living
from tests.serving import (
    LIMIT_S,
    Running,
    ServerProcess,
    eventually,
    plain_server,
    python,
    server_process,
    serving,
)
from tests.watching import Feed, watching

pytestmark = pytest.mark.anyio

every_transport = pytest.mark.parametrize("transport", ["sse", "websocket"])


async def gather(feed: Feed, readers: int = 3, transport: str = "websocket") -> None:
    """Ask for a crowd, and wait until it is there."""
    await feed.say({"crowd": {"readers": readers, "transport": transport}})
    assert await feed.until("crowd") == {"open": readers}


async def published(feed: Feed, text: str) -> dict[str, Any]:
    """Publish; what the crowd reports of it."""
    await feed.say({"publish": text})
    report: dict[str, Any] = await feed.until("crowd")
    return report


def crowds(parent: int | None = None) -> list[int]:
    """The processes that read for a server, ours or another one."""
    return [pid for pid, args in children(parent or os.getpid()).items() if args.endswith("-m app.readers")]


def readers(running: Running) -> list[Connection]:
    return [one for session in running.sessions._sessions.values() for one in session.connections]


async def test_all_readers_report_each_message(chosen: tuple[str, int]) -> None:
    transport, number = chosen
    targets = set[bytes]()

    def observe(connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "up" and data.startswith(b"GET /s/"):
            targets.add(data.split()[1])

    async with serving(observer=observe) as running, watching(running) as feed:
        await gather(feed, number, transport)
        assert len(readers(running)) == number
        log = running.sessions.at("a").log
        for text in ("first", "長輪詢 \n\n data: ", "a" * 16_000):
            began_ms = (await feed.up_to_now()).all("clock")[-1]["server_ms"]
            report = await published(feed, text)
            ended_ms = (await feed.up_to_now()).all("clock")[-1]["server_ms"]
            assert report["cursor"] == str(log.newest)
            assert len(report["delays_ms"]) == number
            assert report["delays_ms"] == sorted(report["delays_ms"])
            assert 0 <= report["delays_ms"][0] <= report["delays_ms"][-1] <= ended_ms - began_ms
            assert 0 <= report["busy_ms"] <= ended_ms - began_ms
        assert not feed.all("piece")  # of so many connections, nobody wants to see the bytes
        (target,) = targets
        assert target.startswith(b"/s/a/crowd-")


@pytest.fixture(params=[("sse", 1), ("sse", 200), ("websocket", 1), ("websocket", 200)], ids=lambda one: f"{one}")
def chosen(request: pytest.FixtureRequest) -> tuple[str, int]:
    chosen: tuple[str, int] = request.param
    return chosen


@pytest.mark.parametrize("fan_out", ["tasks", "hub", None])
async def test_a_session_says_how_its_readers_are_told(fan_out: str | None) -> None:
    async with serving() as running, watching(running) as feed:
        await feed.set(fan_out=fan_out)
        await gather(feed)
        assert [one.fan_out for one in readers(running)] == [fan_out] * 3
        assert len((await published(feed, "hello"))["delays_ms"]) == 3
        await feed.set()
        await feed.up_to_now()
        assert [one.fan_out for one in readers(running)] == [None] * 3


@every_transport
async def test_a_heartbeat_is_no_message_and_keeps_the_crowd(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as running, watching(running) as feed:
        running.server.config.ws_ping_interval = 0.2  # its time-out stays: on a busy machine, a pong takes a while
        await gather(feed, 3, transport)
        bytes_up = sum(one.bytes_up for one in readers(running))
        if transport == "websocket":  # as many pongs as three pings each need
            await eventually(lambda: sum(one.bytes_up for one in readers(running)) >= bytes_up + 3 * 3 * 10)
        assert len((await published(feed, "hello"))["delays_ms"]) == 3


async def test_it_ends_when_the_page_says_so_asks_for_another_or_leaves() -> None:
    async with serving() as running:
        async with watching(running) as feed:
            await gather(feed, 3)
            (first,) = crowds()
            await gather(feed, 5, "sse")
            (second,) = crowds()
            assert first != second
            await eventually(lambda: len(readers(running)) == 5)
            await feed.say({"crowd": None})
            await feed.up_to_now()
            assert not crowds()
            await eventually(lambda: not readers(running))
            await gather(feed)
        await eventually(lambda: not crowds() and not running.link.connections)


async def test_a_page_that_leaves_at_once_leaves_no_process_behind() -> None:
    async with serving() as running:
        for _ in range(5):
            async with watching(running) as feed:
                await feed.say({"crowd": {"readers": 200, "transport": "sse"}})
        await eventually(lambda: not running.link.connections and not running.server.server_state.tasks)
        assert not crowds()


async def test_only_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "CROWDS_MAX", 2)
    async with (
        serving() as running,
        watching(running, "a") as one,
        watching(running, "b") as other,
        watching(running, "c") as third,
    ):
        await gather(one)
        await gather(other)
        for _ in range(2):
            await third.say({"crowd": {"readers": 3, "transport": "sse"}})
            assert await third.until("crowd") == {"ended": "full"}
        await gather(one, 4)  # in place of its own
        await other.say({"crowd": None})
        await other.up_to_now()
        await gather(third)
        assert len(crowds()) == 2


async def test_it_does_not_live_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "LIFE_S", 1.0)
    async with serving() as running, watching(running) as feed:
        await feed.say({"crowd": {"readers": 3, "transport": "sse"}})
        assert (await feed.until("crowd")).keys() <= {"open", "ended"}
        if feed.all("crowd") != [{"ended": "time"}]:  # on a very busy computer it was never open
            assert await feed.until("crowd") == {"ended": "time"}
        await eventually(lambda: not crowds() and not readers(running))


async def test_lost_connections_and_a_lost_process_are_told() -> None:
    async with serving() as running, watching(running) as feed:
        for lost in ("a connection", "the process"):
            await gather(feed)
            if lost == "a connection":
                readers(running)[1].cut()
            else:
                os.kill(crowds()[0], signal.SIGKILL)
            assert await feed.until("crowd") == {"ended": "lost"}
            await eventually(lambda: not crowds() and not readers(running))


async def test_a_server_that_is_full_refuses() -> None:
    async with serving() as running, watching(running) as feed:
        running.server.config.limit_concurrency = 3
        await feed.say({"crowd": {"readers": 10, "transport": "sse"}})
        assert await feed.until("crowd") == {"ended": "refused"}
        await eventually(lambda: not crowds())


async def test_it_ends_with_its_server(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running, watching(running) as feed:
        await gather(feed, 200)
        running.server.should_exit = True
        with pytest.raises(ConnectionClosed):
            while True:
                await feed.until("crowd")
    assert not crowds()
    assert not caplog.records


async def watched_by(process: ServerProcess, stack: contextlib.AsyncExitStack) -> list[int]:
    """A page of that server has a crowd; its process."""
    feed = await stack.enter_async_context(watching(process))
    await gather(feed, 50)
    return crowds(process.process.pid)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_it_ends_when_somebody_ends_the_server_in_its_terminal(loop: str) -> None:
    async with server_process("--loop", loop, start_new_session=True) as process, contextlib.AsyncExitStack() as stack:
        (pid,) = await watched_by(process, stack)
        os.killpg(process.process.pid, signal.SIGINT)
        assert await process.end() == (0, ["transport-compare has ended"])
        assert pid not in living()


async def test_it_ends_when_the_server_is_killed() -> None:
    async with server_process() as process, contextlib.AsyncExitStack() as stack:
        (pid,) = await watched_by(process, stack)
        process.process.kill()
        await process.process.wait()
        await eventually(lambda: pid not in living())


async def test_a_page_over_a_unix_socket_has_no_address_for_readers(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with (
        server_process("--unix", str(path)),
        unix_connect(str(path), "ws://localhost/watch?session=a&page=p") as socket,
    ):
        await socket.send(json.dumps({"crowd": {"readers": 3, "transport": "sse"}}))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await asyncio.wait_for(socket.recv(), LIMIT_S)
        assert closed.value.rcvd and closed.value.rcvd.code == 1008
        assert "over TCP" in closed.value.rcvd.reason


async def test_the_process_ends_with_its_input() -> None:
    """Whatever it was doing; here it waits for a server that never responds."""

    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with plain_server(silence) as host:
        process = await python("-m", "app.readers", stdin=PIPE)
        assert process.stdin
        job = {"host": "127.0.0.1", "port": int(host.split(":")[1]), "target": "/", "transport": "sse", "readers": 3}
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.close()
        assert await asyncio.wait_for(process.communicate(), LIMIT_S) == (b"", b"")
        assert process.returncode == 0


async def test_its_process_is_waited_for_even_if_that_is_cancelled() -> None:
    process = await python("-m", "app.readers", stdin=PIPE)
    waiting = asyncio.create_task(crowd.ended(process))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    process.kill()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert process.returncode == -signal.SIGKILL
