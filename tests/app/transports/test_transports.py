"""What every transport promises, asked of each of them over a real connection, and what is special to each."""

import asyncio
import gc
import json
import logging
from collections import Counter
from typing import Any, get_args
from weakref import ref

import pytest
from starlette.requests import Request
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.__main__ import descriptors_max
from app.link import FanOut, Tap, TappedWriter
from app.log import MessageLog
from app.message import TEXT_MAX_BYTES, Batch, Cursor, Message
from app.publishing import BODY_MAX_BYTES
from app.transports import TRANSPORTS as REGISTRY
from app.transports import sse
from tests.reading import Json, next_update, position, reading
from tests.serving import (
    EVERY_READER,
    EVERY_STREAM,
    EVERY_WS,
    LIMIT_S,
    TRANSPORTS,
    Running,
    Wire,
    ask,
    eventually,
    held,
    path,
    server_process,
    serving,
    tasks,
)

pytestmark = pytest.mark.anyio

every_loop = pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"]
)
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
every_reader = pytest.mark.parametrize(("transport", "fan_out"), EVERY_READER)
every_stream = pytest.mark.parametrize(("transport", "fan_out"), EVERY_STREAM)


def written(messages: list[Message]) -> list[Json]:
    return [json.loads(message.json) for message in messages]


def test_they_stand_in_teaching_order_at_their_own_names() -> None:
    assert [(name, module.PATH) for name, module in REGISTRY.items()] == [(name, path(name)) for name in TRANSPORTS]


@every_reader
async def test_a_reader_without_a_cursor_gets_messages_from_now_on_in_order(transport: str, fan_out: FanOut) -> None:
    log = MessageLog()
    log.publish("before its time")
    async with serving(log, fan_out=fan_out) as running, reading(transport, running.url) as told:
        assert await position(told) == log.newest
        for burst in (1, 3, 1):
            published = [log.publish(f"burst of {burst}") for _ in range(burst)]
            assert await next_update(told, burst) == written(published)


@every_reader
async def test_a_reader_with_a_cursor_resumes_after_it(transport: str, fan_out: FanOut) -> None:
    log = MessageLog()
    published = [log.publish(str(i)) for i in range(5)]
    async with serving(log, fan_out=fan_out) as running:
        async with reading(transport, running.url, str(published[1].cursor)) as told:
            assert await next_update(told, 3) == written(published[2:])
        async with reading(transport, running.url, str(published[-1].cursor)) as told:
            published.append(log.publish("later"))
            assert await next_update(told, 1) == written(published[-1:])


@every_reader
async def test_after_0_is_from_the_oldest_kept(transport: str, fan_out: FanOut) -> None:
    log = MessageLog(keep=3)
    published = [log.publish(str(i)) for i in range(5)]
    async with serving(log, fan_out=fan_out) as running, reading(transport, running.url, "0") as told:
        assert await next_update(told, 3) == written(published[2:])


@every_reader
@pytest.mark.parametrize("reason", ["expired", "restarted", "ahead"])
async def test_a_cursor_that_is_not_honoured_is_told_so_and_gets_everything_kept(
    transport: str, fan_out: FanOut, reason: str
) -> None:
    log = MessageLog(keep=3)
    published = [log.publish(str(i)) for i in range(5)]
    epoch, seq = {"expired": (log.epoch, 1), "restarted": ("0ther", 4), "ahead": (log.epoch, 6)}[reason]
    async with serving(log, fan_out=fan_out) as running, reading(transport, running.url, f"{epoch}-{seq}") as told:
        assert await next_update(told, 1) == [{"missed": {"reason": reason, "cursor": f"{log.epoch}-2"}}]
        assert await next_update(told, 3) == written(published[2:])
        later = log.publish("later")
        assert await next_update(told, 1) == written([later])


@every_stream
async def test_a_stream_tells_of_a_gap_before_it_tells_the_new_cursor(transport: str, fan_out: FanOut) -> None:
    async with serving(fan_out=fan_out) as running:
        for _ in range(2):  # resuming with the old cursor says it again
            async with reading(transport, running.url, "deadbeef-2") as told:
                first = await anext(told)
                assert first == {"missed": {"reason": "restarted", "cursor": f"{running.log.epoch}-0"}}
        async with reading(transport, running.url, first["missed"]["cursor"]) as told:
            assert await position(told) == running.log.newest


@every_reader
async def test_even_an_empty_log_tells_a_foreign_cursor_at_once(transport: str, fan_out: FanOut) -> None:
    log = MessageLog()
    async with serving(log, fan_out=fan_out) as running, reading(transport, running.url, "0ther-7") as told:
        assert await next_update(told, 1) == [{"missed": {"reason": "restarted", "cursor": f"{log.epoch}-0"}}]
        first = log.publish("first")
        assert await next_update(told, 1) == written([first])


@every_reader
async def test_a_reader_far_behind_gets_everything(transport: str, fan_out: FanOut) -> None:
    log = MessageLog()
    published = [log.publish("news" * 20) for _ in range(2_500)]
    async with serving(log, fan_out=fan_out) as running, reading(transport, running.url, "0") as told:
        assert await next_update(told, len(published)) == written(published)


@every_reader
async def test_every_text_arrives_as_it_was(transport: str, fan_out: FanOut) -> None:
    log = MessageLog()
    texts = ["\r\n\n: data: x\n\n", "".join(map(chr, range(256))), "\u2028\u2029\ufeff\uffff", "長輪詢 😀 e\u0301"]
    texts += ["\x00" * TEXT_MAX_BYTES, "a" * TEXT_MAX_BYTES]
    async with serving(log, fan_out=fan_out) as running, reading(transport, running.url, "0") as told:
        for text in texts:
            status, _ = await ask(running.port, "/messages", body=json.dumps({"text": text}).encode(), method="POST")
            assert status == 201
        assert [message["text"] for message in await next_update(told, len(texts))] == texts


@every_transport
async def test_a_bad_request_is_refused_with_what_is_accepted(transport: str) -> None:
    async with serving() as running:
        for query, why in (
            ("after=", "'' is not a cursor: send one that you were given"),
            ("after=7", "'7' is not a cursor"),
            ("after=%00%ff%0a", "is not a cursor"),
            ("afer=0", "unknown parameter 'afer': accepted here is after"),
            ("after=0&after=0", "parameter 'after' is given more than once"),
            (f"after=0&{'x' * 5_000}=1", "unknown parameter 'xxx"),
            ("after=" + "%E9%95%B7" * 50, "'長長長"),  # a WebSocket's reason has room for 41 of these
        ):
            await refused(running, transport, query, why)


async def test_a_bad_hold_is_refused_with_what_is_accepted() -> None:
    async with serving() as running:
        for hold in ("", "-1", "60.1", "nan", "soon"):
            why = f"hold='{hold}' is not accepted: give a number of seconds from 0 to 60"
            await refused(running, "long_poll", f"hold={hold}", why)


async def refused(running: Running, transport: str, query: str, why: str) -> None:
    target = f"{path(transport)}?{query}"
    if transport == "websocket":
        async with connect(f"ws://{running.host}{target}") as socket:
            code, reason = await closed(socket)
        assert code == 1008
    elif transport == "socket_io":
        async with connect(f"ws://{running.host}{target}&EIO=4&transport=websocket") as socket:
            await socket.recv()
            await socket.send("40")
            answer = str(await socket.recv())
        assert answer.startswith("44{")
        reason = json.loads(answer[2:])["message"]
    else:
        status, body = await ask(running.port, target)
        assert status == 400
        assert b"\n" not in body
        fields = json.loads(body)
        assert fields.keys() == {"error"}
        reason = fields["error"]
    assert why in reason


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """How the server closes."""
    with pytest.raises(ConnectionClosed) as closing:
        while True:
            await asyncio.wait_for(socket.recv(), LIMIT_S)
    assert closing.value.rcvd is not None
    return closing.value.rcvd.code, closing.value.rcvd.reason


@every_transport
@pytest.mark.parametrize("ws", EVERY_WS)
async def test_nothing_is_compressed_whatever_the_client_offers(transport: str, ws: Any) -> None:
    async with serving(ws=ws) as running, Wire.to(running.port) as wire:
        running.log.publish("a" * 5_000)
        offers = {"Sec_WebSocket_Extensions": "permessage-deflate"} if "socket" in transport else {}
        await wire.read(transport, "0", Accept_Encoding="gzip, deflate, br", **offers)
        await wire.until(b"a" * 5_000)
        head = wire.received.partition(b"\r\n\r\n")[0].lower()
        assert b"-encoding: gzip" not in head and b"extensions" not in head


@every_stream
async def test_a_reader_that_does_not_read_is_not_written_to_until_it_does(transport: str, fan_out: FanOut) -> None:
    log = MessageLog()
    published = [log.publish(f"{i:05}" + "a" * 16_000) for i in range(1_500)]
    async with serving(log, fan_out=fan_out) as running, Wire.to(running.port) as wire:
        await wire.read(transport, "0")
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = running.link.connections.values()
        await eventually(lambda: connection.bytes_down > 100_000)
        await ask(running.port, "/short-poll")  # others are served meanwhile
        assert connection.bytes_down < 16_000 * len(published)
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for message in (published[0], published[750], published[-1]):
            while message.text[:100].encode() not in wire.received[-100_000:]:
                assert await wire.some()


# Long polling


async def test_a_hold_ends_with_an_empty_response_and_the_same_cursor() -> None:
    log = MessageLog()
    log.publish("old")
    async with serving(log) as running:
        for hold in ("0", "0.05"):
            status, body = await ask(running.port, f"/long-poll?hold={hold}")
            assert (status, json.loads(body)) == (200, {"messages": [], "cursor": str(log.newest)})


async def test_a_held_request_gets_the_next_message() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask(f"/long-poll?hold=60&after={running.log.newest}")
        await eventually(lambda: any(c.bytes_up == len(wire.sent) for c in running.link.connections.values()))
        message = running.log.publish("hello")
        _, body = await wire.answer()
        assert json.loads(body) == {"messages": written([message]), "cursor": str(message.cursor)}


CROWD = 1_900


async def test_a_crowd_of_held_requests_gets_every_broadcast() -> None:
    """Everybody's next request comes while the responses to everybody else's are still on their way."""
    descriptors_max()  # lets this process have as many, too
    async with server_process() as server:
        _, body = await ask(server.port, "/short-poll")
        told, start = [0] * CROWD, json.loads(body)["cursor"]

        async def read(number: int) -> None:
            async with Wire.to(server.port) as wire:
                cursor = start
                while told[number] < 4:
                    await wire.ask(f"/long-poll?hold=60&after={cursor}")
                    status, body = await wire.answer()
                    assert status == 200, body
                    cursor, told[number] = json.loads(body)["cursor"], told[number] + len(json.loads(body)["messages"])

        readers = asyncio.gather(*(read(number) for number in range(CROWD)))
        for number in range(4):
            await eventually(lambda: min(told) == number or readers.done())  # noqa: B023
            await ask(server.port, "/messages", body=b'{"text": "to everybody"}', method="POST")
        await readers
    assert told == [4] * CROWD


# Server-sent events


async def test_sse_says_when_to_reconnect_and_its_cursor_before_the_first_message() -> None:
    log = MessageLog()
    log.publish("old")
    async with serving(log) as running, Wire.to(running.port) as wire:
        await wire.ask("/sse")
        first = (await wire.until(b"\n\n\r\n")).decode()
        assert first.endswith(f"\r\nretry: 1000\nid: {log.newest}\n\n\r\n")


async def test_last_event_id_wins_over_after() -> None:
    log = MessageLog()
    published = [log.publish(str(i)) for i in range(3)]
    async with serving(log) as running:
        async with Wire.to(running.port) as wire:
            await wire.ask("/sse?after=0", {"Last-Event-ID": str(published[1].cursor)})
            await wire.until(b"\ndata: ")
            assert json.loads(await wire.until(b"\n")) == written(published)[2]
        status, body = await ask(running.port, "/sse?after=0", {"Last-Event-ID": "seven"})
        assert status == 400
        assert "'seven' is not a cursor" in json.loads(body)["error"]


@pytest.mark.parametrize("fan_out", get_args(FanOut))
async def test_silence_on_sse_is_filled_with_comments(fan_out: FanOut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.01)
    async with serving(fan_out=fan_out) as running, Wire.to(running.port) as wire:
        await wire.ask("/sse")
        await wire.until(b"\n\n\r\n")
        for _ in range(3):
            assert await wire.until(b"\n\n\r\n") == b"3\r\n:\n\n\r\n"
        message = running.log.publish("hello")
        assert message.json.encode() in await wire.until(b"}\n\n\r\n")


# WebSocket


@pytest.mark.parametrize("ws", EVERY_WS)
async def test_a_websocket_publishes_to_all_transports(ws: Any) -> None:
    async with serving(ws=ws) as running, connect(f"ws://{running.host}/websocket") as socket:
        assert json.loads(await socket.recv()) == {"cursor": f"{running.log.epoch}-0"}
        for text in ("hello", "長輪詢"):
            await socket.send(json.dumps({"text": text}))
            assert json.loads(await socket.recv())["text"] == text
        for transport in TRANSPORTS:
            async with reading(transport, running.url, "0") as told:
                assert [message["text"] for message in await next_update(told, 2)] == ["hello", "長輪詢"]


@pytest.mark.parametrize("ws", EVERY_WS)
async def test_a_frame_that_is_not_understood_ends_the_websocket(ws: Any) -> None:
    async with serving(ws=ws) as running:
        for frame, code, why in (
            (b'{"text": "hello"}', 1003, 'send text frames, {"text": "..."}'),
            ("hello", 1008, 'send {"text": "..."}'),
            ('{"text": ""}', 1008, "1 to 16384 are accepted"),
            ("[" * 50_000, 1008, 'send {"text": "..."}'),
            (json.dumps({"text": "a" * (TEXT_MAX_BYTES + 1)}), 1008, "1 to 16384 are accepted"),
            ("a" * (BODY_MAX_BYTES + 1), 1009, ""),
        ):
            async with connect(f"ws://{running.host}/websocket") as socket:
                await socket.send(frame)
                told = await closed(socket)
            assert told[0] == code
            assert why in told[1]
        assert running.log.newest.seq == 0


# Clients that go away


def census() -> Counter[type]:
    """How many there are of the things that a connection is made of."""
    gc.collect()
    kinds = (Tap, TappedWriter, Request, Cursor, Batch, asyncio.Task)
    return Counter(type(thing) for thing in gc.get_objects() if isinstance(thing, kinds))


@every_reader
@pytest.mark.parametrize("goodbye", ["close", "reset"])
@every_loop
async def test_many_that_disconnect_at_once_leave_nothing_behind(
    transport: str, fan_out: FanOut, goodbye: str, caplog: pytest.LogCaptureFixture
) -> None:
    many = 200
    async with serving(fan_out=fan_out) as running:
        running.log.publish("old")
        async with Wire.to(running.port) as first:  # what is made once is made now
            await first.read(transport, "0")
            await first.until(b'"old"')
        await eventually(lambda: not running.link.connections and not running.server.server_state.tasks)
        tasks_before, before = tasks(), census()
        await hang_up_in_the_middle(running, transport, goodbye, many)
        gone = [ref(connection) for connection in running.link.connections.values()]
        # Far sooner than a hold ends.
        await eventually(lambda: not running.link.connections and tasks() == tasks_before)
        await asyncio.sleep(0)
        assert census() == before
        assert not any(connection() for connection in gone)
        assert not running.server.server_state.connections
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def hang_up_in_the_middle(running: Running, transport: str, goodbye: str, many: int) -> None:
    """`many` readers come, are held or are in mid-stream, and then leave."""
    log = running.log
    count = len(asyncio.all_tasks())
    wires = [Wire.to(running.port) for _ in range(many)]
    readers = [await wire.__aenter__() for wire in wires]
    for reader in readers:
        if transport in ("sse", "websocket", "socket_io"):
            await reader.read(transport)
            await reader.until(str(log.newest).encode())
        elif transport == "long_poll":
            await reader.ask("/long-poll?hold=60")
        else:
            await reader.send(b"GET /short-poll?after=0 HTTP/1.1\r\nHost:")  # in the middle of a request
    await eventually(lambda: all(c.bytes_up for c in running.link.connections.values()))
    if transport == "long_poll":
        await eventually(lambda: held(running) == many)
    elif transport != "short_poll":
        await eventually(lambda: len(asyncio.all_tasks()) >= count + many)
    assert len(running.link.connections) == many
    for wire, reader in zip(wires, readers, strict=True):
        if goodbye == "reset":
            reader.reset()
        await wire.__aexit__(None, None, None)


@every_loop
@pytest.mark.parametrize("ws", EVERY_WS)
async def test_a_client_that_sends_something_wrong_and_leaves_logs_no_error(
    ws: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(ws=ws) as running:
        for goodbye in (bytes([0x88, 0x80, 0, 0, 0, 0]), b""):  # a close frame; nothing, and a reset
            for turns in range(20):
                async with Wire.to(running.port) as wire:
                    await wire.upgrade()
                    await wire.until(b"}")
                    await wire.send(bytes([0x82, 0x81, 0, 0, 0, 0, 7]) + goodbye)  # a binary frame
                    if not goodbye:
                        wire.reset()
                    for _ in range(turns % 5):  # the server may just be writing at any of its steps
                        running.log.publish("to whom it may concern")
                        await asyncio.sleep(0)
        await eventually(lambda: not running.link.connections)
    assert not caplog.records
