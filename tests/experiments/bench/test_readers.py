"""Readers notice what goes wrong: a server that loses, changes, cuts or refuses, is not measured."""

import asyncio
from collections.abc import Callable

import pytest

from app import engine_io
from experiments.bench.measures import TEXT
from experiments.bench.opening import Transport, masked, pongs
from experiments.bench.program import Failed
from experiments.bench.readers import PINGS_FROM_S, Readers, contains_in_order, published_ns
from experiments.bench.reading import Crowd, crowd
from experiments.bench.servers import Server
from tests.serving import LIMIT_S, eventually, plain_server, serving
from tests.witness import Witness

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
ANY = Server("any", "", ("sse",))


def message(text: str = "hello", published_ms: float = 1.5) -> bytes:
    return b'data: {"cursor":"a-1","text":"%s","published_ms":%.6f}\n\n' % (text.encode(), published_ms)


async def crowded(pieces: list[bytes], does: Callable[[Crowd], None], head: bytes = STREAM, readers: int = 1) -> None:
    """A server that sends each reader these pieces, one after the other, and closes then; `does` is with its crowd."""
    told = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await told.wait()
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)  # so that it comes by itself

    loop = asyncio.get_running_loop()

    def doing(port: int) -> None:
        with crowd(ANY, "sse", port, "hello") as its:
            its.grow(readers)
            its.count(1, 2)
            loop.call_soon_threadsafe(told.set)
            does(its)

    async with plain_server(talk) as host:
        try:
            await asyncio.to_thread(doing, int(host.split(":")[1]))
        finally:
            told.set()


def two_ticks(readers: Crowd) -> None:
    readers.tick()
    readers.tick()
    readers.counted()


@pytest.mark.anyio
@pytest.mark.parametrize("cut", range(0, len(message()), 5))
async def test_a_message_that_comes_in_two_pieces_counts_once(cut: int) -> None:
    await crowded([message()[:cut], message()[cut:], message()], two_ticks)


@pytest.mark.anyio
async def test_two_messages_in_one_piece_count_twice() -> None:
    await crowded([message() + message()], two_ticks, readers=2)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([message()], "a reader lost its connection after 1 messages"),
        ([message("other")], "another message arrived"),
        ([message() * 3], "each reader should have 2 messages"),
    ],
)
async def test_what_is_lost_changed_or_too_much_fails(pieces: list[bytes], why: str) -> None:
    with pytest.raises(Failed, match=why):
        await crowded(pieces, two_ticks)


@pytest.mark.anyio
async def test_a_refusal_fails_with_the_servers_words() -> None:
    with pytest.raises(Failed, match=r"2 of 2 readers were refused: HTTP/1\.1 503 Service Unavailable"):
        await crowded([], two_ticks, head=b"HTTP/1.1 503 Service Unavailable\r\n\r\n", readers=2)


@pytest.mark.parametrize(
    ("data", "at_ns"),
    [
        (message(published_ms=1.5), 1_500_000),
        (message(published_ms=1.5) + message(published_ms=2.25), 2_250_000),
        (message()[:40], None),
        (message()[:-6], None),
        (b"", None),
    ],
)
def test_the_time_is_that_of_the_last_whole_message(data: bytes, at_ns: int | None) -> None:
    assert published_ns(data) == at_ns


def test_what_is_waited_for_comes_in_order() -> None:
    assert contains_in_order(b"..one..two..", (b"one", b"two"))
    assert not contains_in_order(b"..two..one..", (b"one", b"two"))
    assert not contains_in_order(b"..one", (b"one", b"one"))
    assert contains_in_order(b"", ())


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def test_each_ping_gets_its_own_pong() -> None:
    assert pongs(b"\x89\x03abc\x81\x012\x89\x00") == masked(b"abc", 0x8A) + masked(b"3") + masked(b"", 0x8A)
    assert pongs(b"\x81\x05hello" + b"\x89\x011" + b"\x81\x7e\x00\x80" + message()) == masked(b"1", 0x8A)
    assert pongs(b"\x81\x05hello") == pongs(b"\x81\x7e\x00\x89" + message()) == pongs(b"\x89") == b""
    assert TEXT.isascii()  # a message never looks like a ping


@pytest.mark.anyio
@pytest.mark.parametrize("ping", [b"\x89\x03abc", b"\x81\x012"])
async def test_pings_are_answered_while_others_connect(ping: bytes) -> None:
    answered, writers = asyncio.Event(), list[asyncio.StreamWriter]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if writer is writers[0]:
            writer.write(SWITCHING)
            if await reader.readexactly(len(pongs(ping))) == pongs(ping):
                answered.set()
        else:
            writers[0].write(ping)
            await answered.wait()
            writer.write(SWITCHING)
        await reader.read()

    def connecting(port: int) -> None:
        with crowd(ANY, "websocket", port, "hello") as its:
            its.grow(1)
            its.grow(2)

    async with plain_server(talk) as host:
        await asyncio.to_thread(connecting, int(host.split(":")[1]))
    assert answered.is_set()


@pytest.mark.anyio
async def test_a_ping_that_comes_with_a_message_is_answered() -> None:
    counting, answered = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHING)
        await counting.wait()
        writer.write(message() + b"\x89\x011")
        if await reader.readexactly(7) == masked(b"1", 0x8A):
            answered.set()

    loop = asyncio.get_running_loop()

    def read(port: int) -> None:
        readers = Readers("websocket", port, False, "hello")
        readers.began_s -= PINGS_FROM_S
        readers.open(1)
        loop.call_soon_threadsafe(counting.set)
        readers.count(1, 1)
        asyncio.run_coroutine_threadsafe(answered.wait(), loop).result(LIMIT_S)
        for sock in readers.sockets.values():
            sock.close()
        readers.epoll.close()

    async with plain_server(talk) as host:
        await asyncio.to_thread(read, int(host.split(":")[1]))


@pytest.mark.anyio
@pytest.mark.parametrize("transport", ["websocket", "socket_io"])
async def test_pings_are_answered_between_orders(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_io, "PING_INTERVAL_S", 0.2)
    monkeypatch.setattr(engine_io, "PING_TIMEOUT_S", 1.0)
    pong = {"websocket": b"\x8a", "socket_io": masked(b"3")[:2]}[transport]
    witness = Witness()
    async with serving(observer=witness) as running:
        config = running.server.config
        config.ws_ping_interval, config.ws_ping_timeout = (0.2, 1.0) if transport == "websocket" else (None, None)
        server = Server("this", "", (transport,), has_cursors=True)
        with crowd(server, transport, running.port, "hello") as its:
            await asyncio.to_thread(its.grow, 2)
            await eventually(lambda: sum(p.direction == "up" and p.data.startswith(pong) for p in witness.saw) >= 20)
            await asyncio.to_thread(its.grow, 3)
            await asyncio.to_thread(its.count, 1, 2)
            running.log.publish("hello")
            running.log.publish("hello")
            await asyncio.to_thread(two_ticks, its)
