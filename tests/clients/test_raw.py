"""The raw client reads what a server sends however the network cuts it into packets."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader as FrameReader

from app import engine_io
from app.link import Upgrades
from app.message import Cursor, Message, Missed, Update, position_json
from clients import raw
from clients.raw.frames import masked
from tests.serving import LIMIT_S, Talk, eventually, plain_server, serving
from tests.witness import Witness

pytestmark = pytest.mark.anyio


def message(number: int, size: int = 10) -> Message:
    return Message(Cursor("abc", number), "a" * size, 1.5)


@contextlib.asynccontextmanager
async def answering(*answers: Talk) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that serves the first connection with the first of these, and so on; and the targets requested."""
    targets: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        targets.append(head.decode().split()[1])
        await answers[len(targets) - 1](reader, writer)

    async with plain_server(talk) as host:
        yield f"http://{host}", targets


async def byte_by_byte(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Each byte in a packet of its own, each read before the next is sent."""
    for i in range(len(data)):
        writer.write(data[i : i + 1])
        await writer.drain()
        for _ in range(3):
            await asyncio.sleep(0)


def receiving(
    transport: str, url: str, after: str | None = None, via: str = "upgrade"
) -> "contextlib.aclosing[AsyncGenerator[Update, None]]":
    return contextlib.aclosing(cast("AsyncGenerator[Update, None]", raw.receive(transport, url, after, via=via)))


async def take(told: AsyncIterator[Update], count: int) -> list[Update]:
    async with asyncio.timeout(LIMIT_S):
        return [await anext(told) for _ in range(count)]


def poll_response(*update: Message) -> bytes:
    body = '{"messages":[' + ",".join(one.json for one in update) + f'],"cursor":"{update[-1].cursor}"}}'
    return f"HTTP/1.1 200 OK\r\nX: y\r\ncontent-LENGTH: {len(body)}\r\nZ: 1\r\n\r\n{body}".encode()


def chunk(text: str) -> bytes:
    return b"%x\r\n%s\r\n" % (len(text.encode()), text.encode())


STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("transport", ["short_poll", "long_poll"])
async def test_polls_in_single_bytes(transport: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await byte_by_byte(writer, poll_response(message(1), message(2)))
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1].endswith(b"?after=abc-2")
        await byte_by_byte(writer, poll_response(message(3)))
        await reader.read()

    async with answering(answer) as (url, _), receiving(transport, url) as told:
        assert await take(told, 3) == [message(1), message(2), message(3)]


async def test_events_in_single_bytes_and_in_chunks_that_end_anywhere() -> None:
    missed = Missed("expired", Cursor("abc", 4))
    text = (
        "retry: 1000\nid: abc-0\n\n"
        + "".join(f"id: {one.cursor}\ndata: {one.json}\n\n" for one in (message(1), message(2, 3_000)))
        + f":\n\nevent: missed\nid: abc-4\ndata: {missed.json}\n\n"
        + f"id: abc-5\ndata: {message(5).json}\n\n"
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chunks = b"".join(chunk(text[i : i + 7]) for i in range(0, len(text), 7))
        await byte_by_byte(writer, STREAM + chunks)
        await reader.read()

    async with answering(answer) as (url, _), receiving("sse", url) as told:
        assert await take(told, 4) == [message(1), message(2, 3_000), missed, message(5)]


async def test_a_stream_lost_within_an_event_resumes_after_the_last_whole_one() -> None:
    async def broken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + chunk("retry: 1000\nid: abc-7\n\n") + chunk(f"id: abc-8\ndata: {message(8).json}\n\n"))
        writer.write(chunk(f"id: abc-9\ndata: {message(9).json[:20]}"))
        await writer.drain()

    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + chunk(f"id: abc-9\ndata: {message(9).json}\n\n"))
        await reader.read()

    async with (
        answering(broken, whole) as (url, targets),
        receiving("sse", url, "abc-6") as told,
    ):
        assert await take(told, 2) == [message(8), message(9)]
        assert targets == ["/sse?after=abc-6", "/sse?after=abc-8"]


async def test_a_stream_that_ended_before_its_first_message_resumes_at_its_first_cursor() -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + chunk("retry: 1000\nid: abc-7\n\n") + b"0\r\n\r\n")

    async def silent_socket(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADE + frame(position_json(Cursor("abc", 7)).encode()))

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + chunk(f"id: abc-8\ndata: {message(8).json}\n\n"))
        await reader.read()

    async def socket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADE + frame(message(8).json.encode()))
        await reader.read()

    for transport, answers in (("sse", (silent, stream)), ("websocket", (silent_socket, socket))):
        async with answering(*answers) as (url, targets), receiving(transport, url) as told:
            assert await take(told, 1) == [message(8)]
            assert targets == [f"/{transport}", f"/{transport}?after=abc-7"]


def frame(payload: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    """A server's frame, as the websockets library writes it."""
    return Frame(opcode, payload).serialize(mask=False)


async def test_frames_in_single_bytes() -> None:
    sizes = [1, 125 - len(message(1, 0).json), 126 - len(message(1, 0).json), 2_000]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        payloads = [message(1, size).json.encode() for size in sizes]
        assert [len(payload) for payload in payloads[1:3]] == [125, 126]
        await byte_by_byte(writer, UPGRADE + frame(position_json(Cursor("abc", 0)).encode()))
        await byte_by_byte(writer, b"".join(map(frame, payloads)))
        await reader.read()

    async with answering(answer) as (url, _), receiving("websocket", url) as told:
        assert await take(told, 4) == [message(1, size) for size in sizes]


async def test_frames_at_the_edges_of_the_three_ways_to_write_a_size() -> None:
    sizes = [size - len(message(1, 0).json) for size in (125, 126, 127, 65_535, 65_536, 200_000)]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADE)
        for size in sizes:
            written = frame(message(1, size).json.encode())
            await byte_by_byte(writer, written[:12])
            writer.write(written[12:])
        await reader.read()

    async with answering(answer) as (url, _), receiving("websocket", url) as told:
        assert await take(told, len(sizes)) == [message(1, size) for size in sizes]


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """A client's frame, as the websockets library reads it: it has to be masked."""
    unread = FrameReader()
    parsing = Frame.parse(unread.read_exact, mask=True)
    while True:
        try:
            next(parsing)
        except StopIteration as parsed:
            result: Frame = parsed.value
            return result
        unread.feed_data(await reader.readexactly(1))


async def test_a_ping_is_answered_and_a_close_too() -> None:
    answered: list[Frame] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADE)
        for payload in (b"", b"ping", b"p" * 125):
            await byte_by_byte(writer, frame(payload, Opcode.PING))
            answered.append(await read_frame(reader))
        writer.write(frame(b"unasked", Opcode.PONG) + frame(message(1).json.encode()))
        writer.write(frame(Close(1001, "bye").serialize(), Opcode.CLOSE))
        answered.append(await read_frame(reader))

    async def again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADE + frame(message(2).json.encode()))
        await reader.read()

    async with answering(answer, again) as (url, targets), receiving("websocket", url) as told:
        assert await take(told, 2) == [message(1), message(2)]
        assert [(one.opcode, one.data) for one in answered] == [
            *((Opcode.PONG, b""), (Opcode.PONG, b"ping"), (Opcode.PONG, b"p" * 125)),
            (Opcode.CLOSE, Close(1001, "bye").serialize()),
        ]
        assert targets == ["/websocket", "/websocket?after=abc-1"]


def test_no_two_control_frames_are_masked_alike() -> None:
    assert len({masked(Opcode.PONG, b"the same") for _ in range(20)}) == 20


# Socket.IO, at a real server: what it says is compared with what the official client says in test_socket_io.py


@pytest.mark.parametrize("via", ["upgrade", "websocket", "polling"])
async def test_socket_io_resumes_after_a_cut(via: str) -> None:
    async with serving() as running:
        first = running.log.publish("first")
        async with receiving("socket_io", running.url, "0", via) as told:
            assert await take(told, 1) == [first]
            for number in range(3):
                running.link.cut()
                published = [running.log.publish(f"{number} {i}") for i in range(3)]
                assert await take(told, 3) == published


@pytest.mark.parametrize("via", ["upgrade", "websocket", "polling"])
async def test_socket_io_answers_heartbeats(via: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_io, "PING_INTERVAL_S", 0.05)
    monkeypatch.setattr(engine_io, "PING_TIMEOUT_S", 1.0)
    witness = Witness()
    async with serving(observer=witness) as running:
        running.log.publish("first")
        async with receiving("socket_io", running.url, "0", via) as told:
            await take(told, 1)
            listening = asyncio.ensure_future(take(told, 1))
            pong = b"\r\n\r\n3" if via == "polling" else b"\x81\x81"
            await eventually(lambda: sum(p.direction == "up" and pong in p.data for p in witness.saw) > 3)
            published = running.log.publish("after heartbeats")
            assert await listening == [published]


@pytest.mark.parametrize("upgrades", ["refuse", "cut"])
async def test_socket_io_continues_to_poll_where_websocket_does_not_get_through(upgrades: Upgrades) -> None:
    async with serving(upgrades=upgrades) as running:
        published = [running.log.publish("first")]
        async with receiving("socket_io", running.url, "0") as told:
            assert await take(told, 1) == published
            for number in range(3):
                message = running.log.publish(str(number))
                assert await take(told, 1) == [message]
            assert not any(connection.upgraded for connection in running.link.connections.values())


@pytest.mark.parametrize("via", ["upgrade", "websocket", "polling"])
async def test_socket_io_says_why_it_is_refused(via: str) -> None:
    async with serving() as running, receiving("socket_io", running.url, "not a cursor", via) as told:
        with pytest.raises(ValueError, match=r"connect_error: .*not a cursor"):
            await take(told, 1)


@pytest.mark.parametrize("via", ["upgrade", "websocket", "polling"])
async def test_socket_io_is_told_what_it_missed(via: str) -> None:
    async with serving() as running:
        message = running.log.publish("first")
        async with receiving("socket_io", running.url, "0thers-7", via) as told:
            missed, update = await take(told, 2)
            assert isinstance(missed, Missed) and missed.reason == "restarted"
            assert update == message
