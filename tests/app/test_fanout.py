"""The hub, and readers that it serves: what reaches them is what tasks would have sent, whatever happens to others."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.fanout import FEW, Hub
from app.link import WRITE_HIGH_BYTES, Connection, Direction, FanOut
from app.log import BATCH_MAX_CHARS, MessageLog
from app.message import Message
from app.transports import sse
from clients import raw
from tests.serving import (
    EVERY_STREAM,
    EVERY_WS,
    LIMIT_S,
    STREAMS,
    Running,
    Wire,
    eventually,
    server_process,
    serving,
    tasks,
)

pytestmark = pytest.mark.anyio

PING = bytes([0x89, 0x83, 0, 0, 0, 0]) + b"abc"
CLOSE = bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])

every_transport = pytest.mark.parametrize("transport", STREAMS)
every_stream = pytest.mark.parametrize(("transport", "fan_out"), EVERY_STREAM)
every_http = pytest.mark.parametrize("http", ["httptools", "h11"])
every_ws = pytest.mark.parametrize("ws", EVERY_WS)


def in_hub(log: MessageLog) -> int:
    """How many readers the hubs of a log write to."""
    hubs = (getattr(on_news, "__self__", None) for on_news in log._subscribers)
    return sum(len(hub._readers) for hub in hubs if isinstance(hub, Hub))


@contextlib.asynccontextmanager
async def readers(running: Running, transport: str, count: int, after: str | None = None) -> AsyncIterator[list[Wire]]:
    """So many plain sockets that read from now on, all of them in the hub, or served by tasks."""
    async with contextlib.AsyncExitStack() as stack:
        before = in_hub(running.log)
        wires = [await stack.enter_async_context(Wire.to(running.port)) for _ in range(count)]
        for wire in wires:
            await wire.read(transport, after)
            await wire.until(b"id: " if transport == "sse" else b'{"cursor":')
        if running.link.fan_out == "hub":
            await eventually(lambda: in_hub(running.log) == before + count)
        yield wires


async def has(wire: Wire, message: Message) -> None:
    """Read until the message's end, looking at each byte about once: there may be megabytes before it."""
    wanted, start = message.json.encode(), 0
    while wire.received.find(wanted, start) < 0:
        start = max(start, len(wire.received) - len(wanted))
        assert await wire.some()


def cursors(wire: Wire) -> list[int]:
    """The numbers of the messages that a client's socket received, in order."""
    return [int(seq) for seq in re.findall(rb'\{"cursor":"[0-9a-f]+-([0-9]+)","text"', wire.received)]


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """The opcodes and payloads of a server's WebSocket frames, as far as they are whole (RFC 6455, section 5.2)."""
    found = []
    while len(data) > 1:
        assert data[0] & 0xF0 == 0x80 and not data[1] & 0x80  # final, no extension, no mask
        start = {126: 4, 127: 10}.get(data[1], 2)
        end = start + (int.from_bytes(data[2:start]) if start > 2 else data[1])
        if len(data) < end:
            break
        found.append((data[0] & 0x0F, data[start:end]))
        data = data[end:]
    assert not found or found[-1][0] != 8 or not data
    return found


def without_chunks(data: bytes) -> bytes:
    """What a response has in its chunks (RFC 9112, section 7.1), if it has any; else all of it."""
    found = b""
    while size := re.match(rb"([0-9a-f]+)\r\n", data):
        start, end = size.end(), size.end() + int(size[1], 16)
        assert data[end : end + 2] == b"\r\n"
        found, data = found + data[start:end], data[end + 2 :]
    return found + data


async def publish_all_the_time(log: MessageLog) -> None:
    while True:
        log.publish("news")
        await asyncio.sleep(0)


def after_head(wire: Wire) -> bytes:
    return bytes(wire.received).partition(b"\r\n\r\n")[2]


# The bytes


@pytest.mark.parametrize("count", [1, FEW + 1])
@pytest.mark.parametrize(
    ("transport", "implementation"),
    [("sse", {"http": "httptools"}), ("sse", {"http": "h11"})]
    + [(transport, {"ws": ws}) for transport in ("websocket", "socket_io") for ws in ("websockets-sansio", "wsproto")],
    ids=str,
)
async def test_the_hub_writes_what_tasks_would_send(transport: str, implementation: Any, count: int) -> None:
    """In every size of a frame, and several messages in one turn, even more than the log keeps."""
    log = MessageLog(keep=5)
    log.publish("old")
    async with (
        serving(log, fan_out="hub", **implementation) as hub,
        serving(log, fan_out="tasks", **implementation) as by_tasks,
        readers(hub, transport, count, "0") as wires,
        readers(by_tasks, transport, 1, "0") as (other,),
    ):
        turns = [["a"], ["長輪詢 😀 \u2028\r\n\n"], ["b", "c", "d"], ["\x00" * 15_000]]
        turns += [["x" * size] for size in (30, 60, 125, 126, 16_000)]
        if count > FEW:  # otherwise the first of them arrives before the others push it out of the log
            turns.append([str(i) for i in range(9)])
        for texts in turns:
            published = [log.publish(text) for text in texts]
            for wire in (*wires, other):
                await has(wire, published[-1])
        assert (b"missed" in other.received) == (count > FEW)
        told = [without_chunks(after_head(wire)) for wire in (*wires, other)]
        if transport == "socket_io":
            told = [data[data.index(b'["cursor"') :] for data in told]  # before it, a session's number
        assert set(told) == {told[-1]}


@pytest.mark.parametrize(
    ("transport", "count", "writes"),
    [*((stream, FEW + 1, [10]) for stream in STREAMS), ("sse", FEW, [1, 9]), ("websocket", FEW, [1, 9])],
)
async def test_messages_of_one_turn_are_one_write_but_few_readers_get_the_first_before(
    transport: str, count: int, writes: list[int]
) -> None:
    pieces: dict[int, list[bytes]] = {}

    def observe(connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "down":
            pieces.setdefault(connection.client_port, []).append(data)

    async with serving(observer=observe) as running, readers(running, transport, count) as wires:
        pieces.clear()
        published = [running.log.publish(f"{i}") for i in range(10)]
        for wire in wires:
            await has(wire, published[-1])
            assert cursors(wire) == list(range(1, 11))
            assert pieces[wire.port] == pieces[wires[0].port]
            assert [piece.count(b'"published_ms"') for piece in pieces[wire.port]] == writes


@every_transport
async def test_a_reader_in_the_hub_costs_no_task_but_its_handlers(transport: str) -> None:
    async with serving() as running:
        async with readers(running, transport, 1):  # what is made once is made now
            pass
        await eventually(lambda: not running.link.connections)
        before = tasks()
        async with readers(running, transport, 5):
            more = tasks() - before
        own = {"RequestResponseCycle.run_asgi" if transport == "sse" else "WebSocketsSansIOProtocol.run_asgi": 5}
        pushing = {} if transport == "sse" else {"push": 5}
        assert more == {**own, **pushing}


# Who is served by the hub


@every_transport
async def test_a_connection_can_be_served_by_tasks(transport: str) -> None:
    def observe(connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        connection.fan_out = "tasks" if connection.number % 2 else None

    async with serving(observer=observe) as running, contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire.to(running.port)) for _ in range(6)]
        for wire in wires:
            await wire.read(transport, "0")
        message = running.log.publish("hello")
        for wire in wires:
            await has(wire, message)
        await eventually(lambda: in_hub(running.log) == 3)


async def test_a_session_of_socket_io_joins_when_it_is_upgraded_and_has_read_everything() -> None:
    async with serving() as running:
        published = [running.log.publish("first")]
        stream: Any = raw.receive("socket_io", running.url, "0", via="upgrade")
        async with contextlib.aclosing(stream), asyncio.timeout(LIMIT_S):
            told = [await anext(stream)]
            while not in_hub(running.log):
                published.append(running.log.publish("next"))
                told.append(await anext(stream))
            published += [running.log.publish(f"{i}") for i in range(5)]
            told += [await anext(stream) for _ in range(5)]
            assert told == published
        await eventually(lambda: not in_hub(running.log))


async def test_http_1_0_knows_no_chunks_and_is_served_by_tasks() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.send(b"GET /sse?after=0 HTTP/1.0\r\nHost: localhost\r\n\r\n")
        await wire.until(b"id: ")
        message = running.log.publish("hello")
        await has(wire, message)
        assert not in_hub(running.log)


@every_stream
async def test_without_the_tap_readers_are_served_by_tasks(transport: str, fan_out: FanOut) -> None:
    async with server_process("--no-tap", "--fan-out", fan_out) as server, Wire.to(server.port) as wire:
        await wire.read(transport, "0")
        async with Wire.to(server.port) as publisher:
            await publisher.ask("/messages", body=b'{"text": "hello"}', method="POST")
            await publisher.answer()
        await wire.until(b'"hello"')
        assert (await server.end())[0] == 0


# Readers that do not keep up


@every_stream
async def test_one_that_does_not_read_slows_nobody_and_costs_a_batch_and_gets_everything_later(
    transport: str, fan_out: FanOut
) -> None:
    async with (
        serving(fan_out=fan_out) as running,
        readers(running, transport, 1) as (quick,),
        readers(running, transport, 3) as deaf,
    ):
        connections = {c.client_port: c for c in running.link.connections.values()}
        for wire in deaf:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        published = []
        for i in range(1_000):
            published.append(running.log.publish(f"{i:05}" + "a" * 16_000))
            if i % 10 == 9:
                await has(quick, published[-1])
                del quick.received[:-100_000]
        sent = [connections[wire.port].bytes_down for wire in deaf]
        assert max(sent) < 16_000 * len(published) / 2  # what the systems' buffers take, and a batch
        for wire in deaf:
            wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
            await has(wire, published[-1])
            assert cursors(wire) == [message.cursor.seq for message in published]
        if fan_out == "hub":
            await eventually(lambda: in_hub(running.log) == 4)  # they have joined again
        last = running.log.publish("the last")
        for wire in (quick, *deaf):
            await has(wire, last)
            assert cursors(wire)[-1] == last.cursor.seq


@every_transport
async def test_what_is_published_while_a_reader_joins_comes_once_and_in_order(transport: str) -> None:
    """At every turn of the event loop from its request on."""
    async with serving(publish_hz=0) as running, contextlib.AsyncExitStack() as stack:
        wires = []
        publishing = asyncio.create_task(publish_all_the_time(running.log))
        for _ in range(10):
            wires.append(await stack.enter_async_context(Wire.to(running.port)))
            await wires[-1].read(transport)
            await wires[-1].until(b'"text"')
        publishing.cancel()
        last = running.log.publish("the last")
        for wire in wires:
            await has(wire, last)
            first = cursors(wire)[0]
            assert cursors(wire) == list(range(first, last.cursor.seq + 1))
        await eventually(lambda: in_hub(running.log) == len(wires))


@every_transport
async def test_an_error_of_one_connection_is_its_own(transport: str, caplog: pytest.LogCaptureFixture) -> None:
    broken: list[int] = []

    def observe(connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "down" and connection.client_port in broken:
            raise RuntimeError("it is broken")

    async with serving(observer=observe) as running, readers(running, transport, 5) as wires:
        broken.append(wires[2].port)
        published = [running.log.publish("one")]
        for wire in (*wires[:2], *wires[3:]):
            await has(wire, published[0])
        await eventually(lambda: in_hub(running.log) == 4)
        with contextlib.suppress(ConnectionResetError):
            assert b'"one"' not in await wires[2].rest()
    assert [record.message for record in caplog.records] == ["can't write to a reader"]


# Control frames, and the end


@every_ws
@pytest.mark.parametrize(
    ("goodbye", "codes"),
    [
        (CLOSE, {1000}),
        (PING + CLOSE, {1000}),
        (bytes([0x82, 0x81, 0, 0, 0, 0, 7]), {1003}),  # not text
        (b"", {1001, 1012}),  # the server stops
    ],
    ids=["close", "ping and close", "refused", "shutdown"],
)
async def test_control_frames_stand_between_messages_and_nothing_follows_a_close_frame(
    ws: Any, goodbye: bytes, codes: set[int]
) -> None:
    async with serving(ws=ws) as running, readers(running, "websocket", 1) as (wire,):
        for _ in range(5):
            await wire.send(PING)
            running.log.publish("a" * 200)
            await wire.some()
        publishing = asyncio.create_task(publish_all_the_time(running.log))
        await wire.send(goodbye)
        running.server.should_exit = not goodbye
        while 8 not in [opcode for opcode, _ in frames(after_head(wire))]:
            assert await wire.some()
        for _ in range(20):  # more is published
            await asyncio.sleep(0)
        publishing.cancel()
        if goodbye[:1] == b"\x82":
            await wire.send(CLOSE)
        await wire.rest()
    *before, (opcode, reason) = frames(after_head(wire))
    assert opcode == 8 and int.from_bytes(reason[:2]) in codes
    assert {opcode for opcode, _ in before} == {1, 10}
    assert sum(opcode == 10 for opcode, _ in before) == 5 + goodbye.startswith(PING)
    seqs = [int(json.loads(text)["cursor"].split("-")[1]) for opcode, text in before if opcode == 1]
    assert seqs == list(range(len(seqs)))


@every_stream
async def test_everybody_gets_what_is_left_when_the_server_stops(transport: str, fan_out: FanOut) -> None:
    async with serving(fan_out=fan_out) as running, readers(running, transport, 600) as wires:
        running.server.should_exit = True
        if fan_out == "hub":
            await eventually(lambda: running.log.closed or running.log.publish("news"))
        for wire in wires:
            rest = await wire.rest()
            if transport == "sse":
                assert rest.endswith(b"0\r\n\r\n")
            else:
                assert frames(after_head(wire))[-1][0] == 8
            if fan_out == "hub":
                assert cursors(wire) == list(range(1, running.log.newest.seq + 1))
    assert not in_hub(running.log)
    assert not running.server.server_state.tasks


@every_transport
async def test_clients_that_leave_are_forgotten_at_once(transport: str) -> None:
    async with serving() as running, readers(running, transport, 3) as stay:
        async with readers(running, transport, 5) as leave:
            leave[0].reset()
        await eventually(lambda: in_hub(running.log) == 3 and len(running.link.connections) == 3)
        async with readers(running, transport, 5):
            running.link.cut()
            await eventually(lambda: in_hub(running.log) == 0 and not running.link.connections)
        assert stay


# Heartbeats


async def test_heartbeats_come_to_everybody_however_many_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.1)
    async with serving() as running, readers(running, "sse", 1) as (first,), contextlib.AsyncExitStack() as stack:
        heartbeat = b"3\r\n:\n\n\r\n"
        async with asyncio.timeout(LIMIT_S):
            joined = 0
            while first.received.count(heartbeat) < 3:
                joined += 1
                (wire,) = await stack.enter_async_context(readers(running, "sse", 1))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(first.some(), 0.01)
        await wire.until(heartbeat)
        assert joined > 3


# With a delay


@every_stream
async def test_a_delayed_reader_is_not_sent_much_ahead(transport: str, fan_out: FanOut) -> None:
    log = MessageLog()
    published = [log.publish(f"{i:05}" + "a" * 16_000) for i in range(200)]
    async with serving(log, fan_out=fan_out, delay_s=0.02) as running, Wire.to(running.port) as wire:
        ahead: list[int] = []

        def observe(connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
            if direction == "down":  # what the server keeps for this reader, in the link or for the socket, and this
                (protocol,) = running.server.server_state.connections
                tap: Any = protocol.transport._tap  # type: ignore[attr-defined]
                ahead.append(tap.delayed_down_bytes + tap.transport.get_write_buffer_size() + len(data))

        running.link.observers = (observe,)
        await wire.read(transport, "0")
        await has(wire, published[-1])
        assert cursors(wire) == list(range(1, 201))
        # One batch, behind what did not pause writing yet in the link and for the socket.
        assert max(ahead) < 2 * WRITE_HIGH_BYTES + BATCH_MAX_CHARS
