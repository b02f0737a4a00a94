"""Polls by the long way and by the shortcut: the same bytes, the same promises."""

import asyncio
import contextlib
import json
import re
from typing import Any

import pytest

from app import link, server
from app.log import MessageLog
from app.message import TEXT_MAX_BYTES
from app.transports.long_poll import HOLD_MAX_S
from app.transports.sse import HEARTBEAT_S
from tests.reading import Json
from tests.serving import Running, Wire, eventually, held, serving, taps, tasks

pytestmark = pytest.mark.anyio

every_loop = pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})], ids=["uvloop", "asyncio"]
)
every_http = pytest.mark.parametrize("http", ["httptools", "h11"])


def long_ways(running: Running) -> int:
    """How many requests uvicorn has responded to."""
    return running.server.server_state.total_requests


async def texts(wire: Wire) -> list[str]:
    status, body = await wire.answer()
    assert status == 200, body
    return [message["text"] for message in json.loads(body)["messages"]]


async def polled_before(wire: Wire) -> None:
    """From here on, this connection's polls may take the shortcut."""
    await wire.ask("/short-poll")
    assert await texts(wire) == []


@every_loop
@every_http
async def test_the_shortcut_responds_with_the_same_bytes(http: Any) -> None:
    log = MessageLog()
    log.publish("hello")
    log.publish("長輪詢")
    async with serving(log, http=http) as running, Wire.to(running.port) as wire, Wire.to(running.port) as other:
        await eventually(lambda: running.server.server_state.default_headers)
        queries = ("", "?after=0", f"?after={log.newest}", f"?after={log.epoch}-1", "?after=aaaa-7")
        for target in [f"/short-poll{query}" for query in queries] + [f"/long-poll{query}" for query in queries]:
            if target.startswith("/long") and target.removeprefix("/long-poll") in ("", f"?after={log.newest}"):
                target += ("&" if "?" in target else "?") + "hold=0"
            await wire.ask(target)
            short = await wire.until(b"\r\n\r\n") + await wire.exactly(size_of(wire))
            await other.ask(target, {"X": target})  # headers that no request had
            long = await other.until(b"\r\n\r\n") + await other.exactly(size_of(other))
            assert without_seconds(short) == without_seconds(long)
        assert long_ways(running) == 2 + 10  # the first poll of either kind, and those of the other
        assert [tap.connection.writes for tap in taps(running)] == [10, 10]


def size_of(wire: Wire) -> int:
    return int(wire.received.rpartition(b"content-length: ")[2].split(b"\r\n")[0])


def without_seconds(response: bytes) -> bytes:
    return re.sub(rb"\d\d GMT\r\n", b"GMT\r\n", response)


@every_http
async def test_every_response_that_is_there_at_once_is_one_write(http: Any) -> None:
    async with serving(http=http) as running:
        for target, body in (
            *(("/short-poll", b""), ("/long-poll?hold=0", b""), ("/nowhere", b""), ("/short-poll?afer=0", b"")),
            *(("/messages", b'{"text": "hello"}'), ("/messages", b"{}"), ("/", b"")),
            ("/socket.io/?EIO=4&transport=polling", b""),
            ("/s/a/p/short-poll", b""),
        ):
            async with Wire.to(running.port) as wire:
                await wire.ask(target, body=body, method="POST" if body else "GET")
                await wire.answer()
                (tap,) = taps(running)
                assert tap.connection.writes == 1, target
            await eventually(lambda: not running.link.connections)
        async with Wire.to(running.port) as wire:
            await wire.ask("/sse")
            await wire.until(b"\n\n\r\n")
            (tap,) = taps(running)
            assert tap.connection.writes == 1  # the head of a stream and its first piece


@every_loop
@every_http
async def test_held_requests_get_what_comes_in_one_turn_in_one_response(http: Any) -> None:
    async with serving(http=http) as running, Wire.to(running.port) as wire, Wire.to(running.port) as other:
        for one in (wire, other):
            await prepared(running, one)
        ways = long_ways(running)
        for number in range(2):
            cursor = running.log.newest
            for one in (wire, other):
                await one.ask(f"/long-poll?hold=60&after={cursor}")
            await eventually(lambda: held(running) == 2)
            for text in ("one", "two", "three"):
                running.log.publish(f"{text} {number}")
            for one in (wire, other):
                assert await texts(one) == [f"one {number}", f"two {number}", f"three {number}"]
        assert long_ways(running) == ways


async def prepared(running: Running, wire: Wire) -> None:
    """From here on, this connection's long polls take the shortcut."""
    await wire.ask("/long-poll?hold=0")
    assert await texts(wire) == []


async def test_who_is_held_just_after_a_message_waits_for_the_next() -> None:
    async with serving() as running, Wire.to(running.port) as wire, Wire.to(running.port) as other:
        for one in (wire, other):
            await prepared(running, one)
        await wire.ask(f"/long-poll?hold=60&after={running.log.newest}")
        await eventually(lambda: held(running) == 1)
        head = bytes(wire.sent).rpartition(b"GET ")[2].partition(b"\r\n")[2]
        late = next(tap for tap in taps(running) if tap.connection.client_port == other.port)
        running.log.publish("one")
        late.data_received(b"GET /long-poll?hold=60&after=%b HTTP/1.1\r\n%b" % (str(running.log.newest).encode(), head))
        assert held(running) == 2  # in the same turn of the loop
        assert await texts(wire) == ["one"]
        assert held(running) == 1
        running.log.publish("two")
        assert await texts(other) == ["two"]


async def test_a_hold_by_the_shortcut_ends_with_an_empty_response() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await prepared(running, wire)
        for hold in ("0", "0.05"):
            await wire.ask(f"/long-poll?hold={hold}")
            status, body = await wire.answer()
            assert (status, json.loads(body)) == (200, {"messages": [], "cursor": str(running.log.newest)})
        assert long_ways(running) == 1
        assert held(running) == 0


@every_loop
@pytest.mark.parametrize("goodbye", ["close", "reset"])
async def test_a_held_reader_that_leaves_is_forgotten_at_once(goodbye: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running, Wire.to(running.port) as stays:
        await prepared(running, stays)
        for _ in range(3):
            async with Wire.to(running.port) as wire:
                await prepared(running, wire)
                await wire.ask("/long-poll?hold=60")
                await eventually(lambda: held(running) == 1)
                if goodbye == "reset":
                    wire.reset()
            await eventually(lambda: held(running) == 0 and len(running.link.connections) == 1)
        await stays.ask("/long-poll?hold=60")
        await eventually(lambda: held(running) == 1)
        running.log.publish("hello")
        assert await texts(stays) == ["hello"]
    assert not caplog.records


@every_loop
@every_http
@pytest.mark.parametrize("delay_s", [0, 0.01], ids=["no delay", "delay"])
@pytest.mark.parametrize("tap", [True, False], ids=["tap", "no tap"])
async def test_a_held_request_of_the_long_way_ends_when_its_client_leaves(
    http: Any, tap: bool, delay_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(http=http, tap=tap, delay_s=delay_s) as running:
        before, state = tasks(), running.server.server_state
        for goodbye in ("close", "reset"):
            async with Wire.to(running.port) as wire:
                await wire.ask("/long-poll?hold=60", {"X": goodbye})  # like no other request
                await eventually(lambda: state.tasks)
                if goodbye == "reset":
                    wire.reset()
            await eventually(lambda: not state.tasks and not state.connections and tasks() == before)
    assert not caplog.records


async def test_a_held_request_ends_when_the_same_client_asks_for_more() -> None:
    """In the order of the requests (RFC 9112, section 9.3.2), whichever way each takes."""
    async with serving() as running, Wire.to(running.port) as wire:
        await prepared(running, wire)
        for target, status in (("/short-poll?after=0", 200), ("/nowhere", 404)):
            await wire.ask("/long-poll?hold=60")
            await eventually(lambda: held(running) == 1)
            await wire.ask(target)
            assert await texts(wire) == []
            assert (await wire.answer())[0] == status


@every_http
async def test_responses_come_in_the_order_of_the_requests(http: Any) -> None:
    async with serving(http=http) as running, Wire.to(running.port) as wire:
        for round_ in range(3):
            cursor, host = running.log.newest, f" HTTP/1.1\r\nHost: {running.host}\r\n"
            poll = f"GET /short-poll?after={cursor}{host}\r\n"
            body = json.dumps({"text": f"round {round_}"})
            publish = f"POST /messages{host}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            pieces = [poll, poll, publish, poll, poll]
            for piece in ["".join(pieces)] if round_ == 1 else pieces:
                await wire.send(piece.encode())
            answers = [await wire.answer() for _ in range(5)]
            assert [status for status, _ in answers] == [200, 200, 201, 200, 200]
            counts = [len(json.loads(body)["messages"]) for status, body in answers if status == 200]
            assert counts == [0, 0, 1, 1]


WRONG: tuple[tuple[str, str, Json, int], ...] = (
    ("GET", "/short-poll", {"Host": "evil.example"}, 400),
    ("GET", "/short-poll", {"Origin": "http://evil.example"}, 403),
    ("GET", "/short-poll", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("GET", "/long-poll?hold=0", {"Origin": "null"}, 403),
    ("GET", "/short-poll?afer=0", {}, 400),
    ("GET", "/short-poll?after=seven", {}, 400),
    ("GET", "/short-poll?after=0&after=0", {}, 400),
    ("GET", "/short-poll?hold=0", {}, 400),
    ("GET", "/long-poll?hold=61", {}, 400),
    ("GET", "/short-polls", {}, 404),
    ("POST", "/short-poll", {}, 405),
    ("PUT", "/long-poll", {}, 405),
)


@every_http
@pytest.mark.parametrize(("method", "target", "headers", "status"), WRONG)
async def test_what_is_wrong_is_refused_on_a_connection_that_has_polled(
    http: Any, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    async with serving(http=http) as running, Wire.to(running.port) as new, Wire.to(running.port) as wire:
        await new.ask(target, headers, method=method)
        expected = await new.answer()
        assert expected[0] == status
        await polled_before(wire)
        await prepared(running, wire)
        await wire.ask(target, headers, method=method)
        assert await wire.answer() == expected
        ways = long_ways(running)
        await polled_before(wire)
        assert long_ways(running) == ways  # the next poll takes the shortcut again


@every_http
async def test_a_client_that_wants_its_connection_closed_gets_that(http: Any) -> None:
    async with serving(http=http) as running, Wire.to(running.port) as wire:
        await polled_before(wire)
        await wire.ask("/short-poll", {"Connection": "close"})
        assert await texts(wire) == []
        assert await wire.rest() == b""


async def test_a_poll_that_comes_in_pieces_is_responded_to() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await polled_before(wire)
        for _ in range(2):
            for piece in (b"GET /short-", b"poll HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"\r\n"):
                await wire.send(piece)
                await asyncio.sleep(0)
            assert await texts(wire) == []
        # What looks like a poll in the middle of another request is none.
        poll = b"GET /short-poll HTTP/1.1\r\nHost: %b\r\n\r\n" % running.host.encode()
        (tap,) = taps(running)
        await wire.send(b"POST /messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
        await wire.send(b"Content-Length: %d\r\n\r\n" % len(poll))
        await eventually(lambda: tap.connection.bytes_up == len(wire.sent))
        await wire.send(poll)
        assert (await wire.answer())[0] == 400


@pytest.mark.parametrize(
    ("header", "first"),
    [(b"Transfer-Encoding: chunked", b"200\r\nxxxxxxxxxx0\r\n\r\n"), (b"Content-Length: %030d" % 512, b"x")],
)
async def test_what_looks_like_a_poll_in_a_body_is_none(header: bytes, first: bytes) -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await polled_before(wire)
        (tap,) = taps(running)
        await wire.send(b"GET /short-poll HTTP/1.1\r\nHost: 127.0.0.1\r\n%b\r\n\r\n" % header)
        assert await texts(wire) == []  # before its body has come
        writes = tap.connection.writes
        for piece in (first, b"GET /short-poll HTTP/1.1\r\nHost: %b\r\n\r\n" % running.host.encode()):
            await wire.send(piece)
            await eventually(lambda: tap.connection.bytes_up == len(wire.sent))
        assert tap.connection.writes == writes


@every_loop
@pytest.mark.parametrize("tap", [True, False], ids=["tap", "no tap"])
async def test_an_idle_connection_is_closed(tap: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "IDLE_S", 1.0)
    monkeypatch.setattr(server, "IDLE_S", 1.0)
    async with serving(tap=tap) as running, Wire.to(running.port) as wire, Wire.to(running.port) as other:
        await polled_before(wire)
        await polled_before(other)
        await polled_before(other)  # by the shortcut, if there is a tap
        assert await wire.rest() == b""
        assert await other.rest() == b""


async def test_a_connection_in_use_is_not_idle() -> None:
    assert max(HOLD_MAX_S, HEARTBEAT_S, 60) < link.IDLE_S  # a pause between polls may be a minute, too
    async with serving() as running, Wire.to(running.port) as idle:
        await prepared(running, idle)
        async with contextlib.AsyncExitStack() as stack:
            upgraded, deaf, waiting, sending = [
                await stack.enter_async_context(Wire.to(running.port)) for _ in range(4)
            ]
            await upgraded.upgrade()
            await upgraded.until(b'"}')
            for wire in (deaf, waiting, sending):
                await polled_before(wire)
            for tap in taps(running):
                tap.connection.paused = tap.connection.client_port == deaf.port
                tap.connection.opened_ns = tap.connection.last_read_ns = tap.connection.last_write_ns = 1  # long ago
            await waiting.ask("/long-poll?hold=60")
            await eventually(lambda: held(running) == 1)
            await sending.send(b"POST /messages HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            await eventually(lambda: sum(tap.connection.last_read_ns > 1 for tap in taps(running)) == 2)
            running.link.close_idle()
            assert await idle.rest() == b""
            assert len(running.link.connections) == 4
            running.log.publish("hello")
            assert await texts(waiting) == ["hello"]


async def test_with_a_task_for_each_reader_all_polls_take_the_long_way() -> None:
    async with serving(fan_out="tasks") as running, Wire.to(running.port) as wire:
        for number in range(1, 4):
            await polled_before(wire)
            assert long_ways(running) == number
        (tap,) = taps(running)
        for fan_out, ways in (("hub", 4), ("hub", 4), ("tasks", 5), ("hub", 5)):  # the first teaches the shortcut
            tap.connection.fan_out = fan_out  # type: ignore[assignment]
            await polled_before(wire)
            assert long_ways(running) == ways


async def test_a_client_that_polls_and_does_not_read_is_not_written_to_until_it_does() -> None:
    log = MessageLog()
    for _ in range(100):
        log.publish("a" * TEXT_MAX_BYTES)
    async with serving(log) as running, Wire.to(running.port) as wire:
        await polled_before(wire)
        (tap,) = taps(running)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        polls = 0
        while not tap.connection.paused or polls < 100:
            await wire.ask("/short-poll?after=0")
            polls += 1
            await eventually(lambda: tap.connection.bytes_up == len(wire.sent) or tap.connection.paused)
        assert tap.connection.bytes_down < 50 * 262_144
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(polls):
            assert len(await texts(wire)) == 15


@every_loop
@every_http
async def test_held_requests_get_their_response_at_shutdown(http: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(http=http) as running:
        wires = [Wire.to(running.port) for _ in range(20)]
        readers = [await wire.__aenter__() for wire in wires]
        for reader in readers:
            await prepared(running, reader)
            await reader.ask("/long-poll?hold=60")
        await eventually(lambda: held(running) == 20)
        running.server.should_exit = True
        for reader in readers:
            assert await texts(reader) == []
            assert await reader.rest() == b""
        for wire in wires:
            await wire.__aexit__(None, None, None)
    assert not caplog.records


async def test_the_date_moves_on() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await polled_before(wire)
        state = running.server.server_state
        for date in (b"Thu, 01 Jan 1970 00:00:00 GMT", b"Thu, 01 Jan 1970 00:00:01 GMT"):
            state.default_headers = [(b"date", date)]
            await wire.ask("/short-poll")
            assert b"\r\ndate: " + date in await wire.until(b"\r\n\r\n")
            await wire.exactly(size_of(wire))
        assert long_ways(running) == 1
