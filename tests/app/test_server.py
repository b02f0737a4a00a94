"""What the server does beside the transports: taking messages, refusing what is none, publishing by itself, ending."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest

from app.link import IDLE_S
from app.message import TEXT_MAX_BYTES
from app.publishing import BODY_MAX_BYTES
from tests.serving import EVERY_WS, HTTP_TRANSPORTS, Wire, ask, connected, eventually, path, serving

pytestmark = pytest.mark.anyio


async def test_publishing_returns_the_message_with_its_cursor() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        for number, text in enumerate(["hello", "長輪詢", "a" * TEXT_MAX_BYTES, "\x00" * TEXT_MAX_BYTES], 1):
            earliest = time.monotonic_ns() / 1e6
            await wire.ask("/messages", body=json.dumps({"text": text}).encode(), method="POST")
            status, body = await wire.answer()
            message = json.loads(body)
            assert status == 201
            assert earliest <= message.pop("published_ms") <= time.monotonic_ns() / 1e6
            assert message == {"cursor": f"{running.log.epoch}-{number}", "text": text}


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 400, 'send {"text": "..."}: a JSON object with one string in it'),
        (b"text=hello", 400, 'send {"text": "..."}'),
        (b'{"text": "\xff"}', 400, 'send {"text": "..."}'),
        (b"[" * 50_000, 400, 'send {"text": "..."}'),
        (b'{"text": ""}', 400, "the text has 0 bytes: 1 to 16384 are accepted"),
        (json.dumps({"text": "a" * (TEXT_MAX_BYTES + 1)}).encode(), 400, "1 to 16384 are accepted"),
        (rb'{"text": "\udc00"}', 400, "unpaired surrogate"),
        (b" " * (BODY_MAX_BYTES + 1), 413, f"larger than {BODY_MAX_BYTES} bytes"),
        (b" " * 4_000_000, 413, f"larger than {BODY_MAX_BYTES} bytes"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
async def test_a_bad_message_is_refused_in_one_line(body: bytes, status: int, why: str) -> None:
    async with serving() as running:
        answered, said = await ask(running.port, "/messages", body=body, method="POST")
        assert answered == status
        assert why in json.loads(said)["error"]
        assert b"\n" not in said
        assert running.log.newest.seq == 0
        assert (await ask(running.port, "/messages", body=b'{"text": "a"}', method="POST"))[0] == 201


async def test_only_application_json_is_published() -> None:
    """Text and forms can be sent here by any page, without the browser's asking whether they may."""
    body = b'{"text": "hello"}'
    async with serving() as running:
        for given in ("text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "application/jsonx", ""):
            status, said = await ask(running.port, "/messages", {"Content-Type": given}, body, "POST")
            assert (status, json.loads(said)) == (
                415,
                {"error": f"send JSON, with content-type: application/json, not {given!r}"},
            )
        assert running.log.newest.seq == 0
        for given in ("application/json", "Application/JSON ; charset=utf-8"):
            assert (await ask(running.port, "/messages", {"Content-Type": given}, body, "POST"))[0] == 201


async def test_a_client_that_disconnects_within_a_message_publishes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        async with Wire.to(running.port) as wire:
            await wire.ask("/messages", {"Content-Length": "40"}, method="POST")
            await wire.send(b'{"text": "hel')
            await eventually(lambda: [c for c in running.link.connections.values() if c.bytes_up == len(wire.sent)])
        await eventually(lambda: not running.link.connections and not running.server.server_state.tasks)
        assert running.log.newest.seq == 0
    assert not caplog.records


async def test_other_addresses_and_methods_are_refused_in_json() -> None:
    async with serving() as running:
        for method, path, status, why in (
            ("GET", "/nowhere", 404, "Not Found"),
            ("GET", "/websocket", 404, "Not Found"),
            ("GET", "/messages", 405, "Method Not Allowed"),
            ("POST", "/short-poll", 405, "Method Not Allowed"),
            ("DELETE", "/", 405, "Method Not Allowed"),
        ):
            answered, body = await ask(running.port, path, method=method)
            assert (answered, json.loads(body)) == (status, {"error": why})


@pytest.mark.parametrize("transport", HTTP_TRANSPORTS)
async def test_a_head_request_does_not_block_the_connection(transport: str) -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask(path(transport), method="HEAD")
        head = await wire.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 405 ") and b"\r\nallow: GET\r\n" in head
        await wire.ask("/short-poll")
        assert (await wire.answer())[0] == 200


async def test_the_index_is_a_page() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask("/")
        status, body = await wire.answer()
        assert status == 200
        assert b"\r\ncontent-type: text/html" in wire.received
        assert body.startswith(b"<!doctype html>")


async def test_it_publishes_by_itself_when_told_to() -> None:
    async with serving(publish_hz=500) as running:
        await eventually(lambda: running.log.newest.seq >= 20)
    async with serving() as running:
        await ask(running.port, "/short-poll")
        assert running.log.newest.seq == 0


def test_an_idle_connection_outlives_the_longest_poll_interval() -> None:
    assert IDLE_S > 60


@pytest.mark.parametrize("ws", EVERY_WS)
@pytest.mark.parametrize("http", ["httptools", "h11"])
@pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"]
)
async def test_shutdown_is_clean_for_everybody(http: Any, ws: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        serving(http=http, ws=ws) as running,
        Wire.to(running.port) as polling,
        connected(running.port) as (streaming, socket, idle),
    ):
        await polling.ask("/long-poll?hold=60")
        await eventually(lambda: all(c.bytes_up for c in running.link.connections.values()))
        running.server.should_exit = True
        status, body = await polling.answer()
        assert (status, json.loads(body)) == (200, {"messages": [], "cursor": f"{running.log.epoch}-0"})
        assert await streaming.rest() == b"0\r\n\r\n"
        assert (await socket.rest())[:4] in (b"\x88\x02\x03\xf4", b"\x88\x02\x03\xe9")  # close, 1012 or 1001
        assert await polling.rest() == await idle.rest() == b""
    assert not running.link.connections
    assert not running.server.server_state.tasks
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("ws", EVERY_WS)
async def test_a_client_that_is_leaving_does_not_disturb_the_shutdown(
    ws: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(ws=ws, delay_s=0.05) as running, Wire.to(running.port) as leaving, Wire.to(running.port) as wire:
        for one in (wire, leaving):
            await one.upgrade()
            await one.until(b'"}')
        close = bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])
        await leaving.send(close)
        closing = [c for c in running.link.connections.values() if c.client_port == leaving.port]
        await eventually(lambda: closing[0].bytes_down == len(leaving.received) + 4)  # its close frame is on its way
        running.server.should_exit = True
        assert await leaving.rest() == close[:1] + b"\x02" + close[-2:]
        assert (await wire.rest())[:4] in (b"\x88\x02\x03\xf4", b"\x88\x02\x03\xe9")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_client_that_is_slow_to_leave_is_cut_off_at_shutdown() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        for _ in range(1_000):
            running.log.publish("a" * TEXT_MAX_BYTES)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.upgrade("/websocket?after=0")
        (connection,) = running.link.connections.values()
        await eventually(lambda: connection.bytes_down > 100_000)
        await wire.send(bytes([0x88, 0x80, 0, 0, 0, 0]))
        await eventually(lambda: [c for c in running.server.server_state.connections if c.transport.is_closing()])
        running.server.should_exit = True
        await eventually(lambda: not running.link.connections)


@pytest.mark.parametrize("transport", ["sse", "websocket", "socket_io"])
async def test_a_reader_that_does_not_read_does_not_hold_up_the_shutdown(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        for _ in range(1_000):
            running.log.publish("a" * TEXT_MAX_BYTES)
        await wire.read(transport, "0")
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = running.link.connections.values()
        await eventually(lambda: connection.bytes_down > 100_000)
        before = asyncio.all_tasks()
        running.server.should_exit = True
        await eventually(lambda: not running.link.connections and len(asyncio.all_tasks()) < len(before))
    assert not running.server.server_state.tasks
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


GET = b"GET /short-poll HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "statuses"),
    [
        (GET + b"\r\n", {200}),
        (b"\r\n" + GET + b"\r\n", {200}),
        (b"GET /short-poll HTTP/1.1\r\nhoSt:\tlocalhost\r\nempty:\r\n\r\n", {200}),
        (GET + b"X-Empty: \r\n\r\n", {200}),
        (GET + b"Expect: 100-continue\r\n\r\n", {100, 200}),
        (POST + b'Content-Length: 13\r\n\r\n{"text": "a"}', {201}),
        (POST + b'Transfer-Encoding: chunked\r\n\r\n7\r\n{"text"\r\n6\r\n: "a"}\r\n0\r\n\r\n', {201}),
        (b"GET http://localhost/short-poll HTTP/1.1\r\nHost: localhost\r\n\r\n", {200}),
        (b"GET http://localhost/short-poll HTTP/1.1\r\nHost: evil.example\r\n\r\n", {400}),
        (b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", {200}),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404, 405}),
        (b"FOO /short-poll HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 405, 501}),
        (b"PROPFIND /short-poll HTTP/1.1\r\nHost: localhost\r\n\r\n", {405}),
        (b"GET /short-poll HTTP/1.0\r\n\r\n", {400}),  # not even 1.0: whose server is meant matters here
        (b"GET /short-poll HTTP/1.1\r\n\r\n", {400}),
        (GET + b"Host: example.org\r\n\r\n", {400}),
        (GET + b"Host: localhost\r\n\r\n", {400}),
        (b"GET /short-poll HTTP/1.1\r\nHost: local host\r\n\r\n", {400}),
        (b"GET /short-poll HTTP/1.1\r\nHost: a@localhost\r\n\r\n", {400}),
        (b"GET /short-poll HTTP/1.1\r\nHost : localhost\r\n\r\n", {400}),
        (b"GET /short-poll \r\n\r\n", {400}),
        (b"GET /short-poll HTTP/9.9\r\nHost: localhost\r\n\r\n", {400, 505}),
        (b"Extra line" + GET + b"\r\n", {400}),
        (b"GET\t/short-poll\tHTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
        (b"GET short-poll HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
        (GET + b"X-Invalid[]: a\r\n\r\n", {400}),
        (GET + b"X: a\x07\r\n\r\n", {400}),
        (GET + b"X: a\rb\r\n\r\n", {400}),
        (GET + b"\rX: a\r\n\r\n", {400}),
        (GET + b"X: a\r\n b\r\n\r\n", {200, 400}),
        (POST + b"Content-Length: -1\r\n\r\n", {400}),
        (POST + b"Content-Length: abc\r\n\r\n", {400}),
        (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", {400}),
        (POST + b"Content-Length: -123456789123456789123456789\r\n\r\n", {400}),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", {400}),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", {400, 501}),
    ],
    ids=repr,
)
async def test_http_follows_the_standard(
    request_bytes: bytes, statuses: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 9112, where clients and servers often differ; what h1spec checks is among it."""
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.send(request_bytes)
        assert int((await wire.until(b"\r\n")).split()[1]) in statuses
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_responses_have_their_security_and_proxy_headers(http: Any) -> None:
    async with serving(http=http) as running:
        for target in ("/short-poll", "/long-poll?hold=0", "/sse", "/nowhere", "/socket.io/?EIO=4&transport=polling"):
            async with Wire.to(running.port) as wire:
                await wire.ask(target, {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"})
                head = await wire.until(b"\r\n\r\n")
                assert head.count(b"\r\nx-content-type-options: nosniff\r\n") == 1
                assert (b"\r\nx-accel-buffering: no\r\n" in head) == (target == "/sse")
        assert not running.server.config.proxy_headers
