"""What every client promises, with a library or raw, against a real server."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import pytest

from app import engine_io
from app.link import Connection, Direction
from app.log import MessageLog
from app.message import Missed, Update, read_update
from clients import CLIENTS, long_poll, raw, short_poll, socket_io, sse, websocket
from tests.reading import position, reading
from tests.serving import LIMIT_S, PLAIN_TRANSPORTS, TRANSPORTS, Running, ask, eventually, serving, tasks
from tests.witness import Witness

pytestmark = pytest.mark.anyio

Receive = Callable[..., Any]  # receive(url, after=None) -> AsyncIterator[News]

EVERY: dict[str, Receive] = {
    "short_poll": partial(short_poll.receive, pause_s=0.01),
    "long_poll": long_poll.receive,
    "sse": sse.receive,
    "websocket": websocket.receive,
    "socket_io": socket_io.receive,
    "socket_io websocket": partial(socket_io.receive, transports=["websocket"]),
    "socket_io polling": partial(socket_io.receive, transports=["polling"]),
    **{
        f"raw {name}": partial(raw.receive, name, pause_s=0.01 if name == "short_poll" else 0)
        for name in PLAIN_TRANSPORTS
    },
}

RAW_SOCKET_IO = {
    f"raw socket_io {via}": partial(raw.receive, "socket_io", via=via) for via in ("upgrade", "websocket", "polling")
}

SOCKET_IO = [receive for name, receive in EVERY.items() if name.startswith("socket_io")]

every_client = pytest.mark.parametrize("receive", EVERY.values(), ids=EVERY)


def test_they_are_the_servers_transports_in_the_same_order() -> None:
    assert tuple(CLIENTS) == TRANSPORTS


@contextlib.asynccontextmanager
async def receiving(receive: Receive, url: str, after: object = "0") -> AsyncGenerator[Callable[[int], Any], None]:
    """A function that awaits the next so many news of a client at `after`."""
    async with contextlib.aclosing(receive(url, None if after is None else str(after))) as told:

        async def take(count: int) -> list[Update]:
            async with asyncio.timeout(LIMIT_S):
                return [await anext(told) for _ in range(count)]

        yield take


@every_client
async def test_it_receives_everything_in_order_over_as_few_connections_as_it_can(receive: Receive) -> None:
    polls_and_posts = receive in (EVERY["socket_io"], EVERY["socket_io polling"])  # a GET is held while it has to POST
    async with serving() as running, receiving(receive, running.url) as take:
        for burst in (1, 3, 1, 1, 1):
            published = [running.log.publish(f"burst of {burst}") for _ in range(burst)]
            assert await take(burst) == published
        assert list(running.link.connections) == [1] or (polls_and_posts and max(running.link.connections) <= 2)


@every_client
async def test_no_cursor_is_from_now_on(receive: Receive) -> None:
    log = MessageLog()
    log.publish("before its time")
    witness = Witness()
    async with serving(log, observer=witness) as running, receiving(receive, running.url, None) as take:
        first = asyncio.create_task(take(1))
        await eventually(lambda: [c for c in running.link.connections.values() if c.bytes_up])
        if receive in SOCKET_IO:  # it takes a while before it has a cursor
            await eventually(lambda: b'["cursor",' in b"".join(piece.data for piece in witness.saw))
        # By a request, which is taken up after the client's own.
        status, body = await ask(running.port, "/messages", body=b'{"text": "hello"}', method="POST")
        assert status == 201
        assert await first == [read_update(body)]


@pytest.mark.parametrize("name", ["long_poll", "raw long_poll"])
async def test_a_cut_before_the_first_message_loses_nothing(name: str) -> None:
    async with serving() as running, receiving(EVERY[name], running.url, None) as take:
        first = asyncio.create_task(take(1))
        two_requests = 300  # bytes: the first request asks for a cursor, the second is held
        await eventually(
            lambda: [c for c in running.link.connections.values() if c.writes and c.bytes_up > two_requests]
        )
        running.link.cut()
        await eventually(lambda: not running.link.connections)
        published = running.log.publish("published while nobody was connected")
        assert await first == [published]


@every_client
async def test_after_a_cut_it_resumes_with_nothing_lost_or_repeated(receive: Receive) -> None:
    async with serving() as running, receiving(receive, running.url) as take:
        published = [running.log.publish("first")]
        assert await take(1) == published
        for turn in range(4):
            if turn % 2:  # in the middle of a wait
                waiting = asyncio.create_task(take(2))
                await eventually(lambda: running.link.connections)
                running.link.cut()
                await eventually(lambda: not running.link.connections)
                published = [running.log.publish(f"{turn} a"), running.log.publish(f"{turn} b")]
                assert await waiting == published
            else:  # while its reader is busy with something else
                running.link.cut()
                await eventually(lambda: not running.link.connections)
                published = [running.log.publish(f"{turn} a"), running.log.publish(f"{turn} b")]
                assert await take(2) == published


@every_client
async def test_after_a_restart_it_is_told_what_it_missed(receive: Receive) -> None:
    async with serving() as running, receiving(receive, running.url) as take:
        message = running.log.publish("of the old epoch")
        assert await take(1) == [message]
        waiting = asyncio.create_task(take(2))
        await end(running)
        log = MessageLog()
        message = log.publish("of the new epoch")
        async with serving(log, port=running.port):
            assert await waiting == [Missed("restarted", log.oldest), message]
            message = log.publish("and on it goes")
            assert await take(1) == [message]


async def end(running: Running) -> None:
    running.server.should_exit = True
    await eventually(lambda: not running.server.servers[0].is_serving() and not running.link.connections)


class Cutting:
    """An observer that cuts the network once, right after the server's write number `after_writes`."""

    def __init__(self, after_writes: int) -> None:
        self.writes_left = after_writes

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        self.writes_left -= direction == "down"
        if direction == "down" and self.writes_left == 0:
            asyncio.get_running_loop().call_soon(connection.cut)


@pytest.mark.parametrize("receive", [*EVERY.values(), *RAW_SOCKET_IO.values()], ids=[*EVERY, *RAW_SOCKET_IO])
@pytest.mark.parametrize("after_writes", range(1, 9))
async def test_a_gap_is_reported_wherever_the_connection_is_cut(receive: Receive, after_writes: int) -> None:
    log = MessageLog()
    published = [log.publish("old"), log.publish("older")]
    cutting = Cutting(after_writes)
    async with serving(log, observer=cutting) as running, receiving(receive, running.url, "deadbeef-2") as take:
        assert await take(3) == [Missed("restarted", log.oldest), *published]


async def test_a_poll_that_is_lost_is_not_repeated_in_the_same_session() -> None:
    """What the server gave to the first one would not be in the second: a new session says where we are."""
    targets: list[bytes] = []

    def observe(connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "up" and data.startswith(b"GET "):
            targets.append(data.split()[1])

    async with serving(observer=observe) as running, receiving(EVERY["socket_io polling"], running.url) as take:
        published = [running.log.publish("first")]
        assert await take(1) == published
        waiting = asyncio.create_task(take(1))
        for _ in range(3):
            await eventually(lambda: b"&sid=" in targets[-1])
            before = len(targets)
            running.link.cut()
            await eventually(lambda: len(targets) > before)  # noqa: B023
            assert b"&sid=" not in targets[before]
        published = [running.log.publish("second")]
        assert await waiting == published


@every_client
async def test_a_reader_that_was_too_slow_is_told(receive: Receive) -> None:
    log = MessageLog(keep=2)
    published = [log.publish(str(i)) for i in range(5)]
    async with serving(log) as running, receiving(receive, running.url, published[0].cursor) as take:
        assert await take(3) == [Missed("expired", log.oldest), *published[3:]]


@every_client
async def test_a_refusal_is_an_error_in_the_servers_words(receive: Receive) -> None:
    async with serving() as running, receiving(receive, running.url, "seven") as take:
        with pytest.raises(ValueError, match=r"^(400|1008|connect_error): .*'seven' is not a cursor"):
            await take(1)
    async with (
        serving(names=["lecture.example"]) as running,
        receiving(receive, f"http://localhost:{running.port}") as take,
    ):
        with pytest.raises(
            ValueError, match=r"^400: (.*this server is not called 'localhost|Invalid response status$)"
        ):
            await take(1)


@every_client
async def test_every_text_arrives_as_it_was(receive: Receive) -> None:
    log = MessageLog()
    texts = ["\r\n\n: data: x\n\n", "".join(map(chr, range(256))), "\u2028\u2029\ufeff\uffff", "長輪詢 😀 e\u0301"]
    texts += [text * size for size in (1, 60, 100, 20_000) for text in ("\x00", "a")]
    published = [log.publish(text) for text in texts]
    assert any(len(message.json) > 65_535 for message in published)  # a WebSocket's third way to write a size
    async with serving(log) as running, receiving(receive, running.url) as take:
        assert await take(len(texts)) == published


@every_client
async def test_a_client_that_is_closed_leaves_nothing_behind(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_io, "PING_INTERVAL_S", 0.1)  # as long a server remembers a client
    async with serving() as running:
        async with reading("socket_io", running.url) as told:  # what the server makes once is made now
            await position(told)
        await eventually(lambda: not running.link.connections and not running.server.server_state.tasks)
        before = tasks()
        async with receiving(receive, running.url) as take:
            message = running.log.publish("hello")
            assert await take(1) == [message]
            assert running.link.connections
        await eventually(lambda: not running.link.connections and tasks() == before)
