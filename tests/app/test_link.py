"""The tap, against what the client's own socket sent and received."""

import asyncio
import contextlib
import itertools
import json
import shutil
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from app import link
from app.__main__ import listen
from app.link import CLOSE_FRAME, REFUSAL, Connection, Direction, Lane, Link, Tap, TappedWriter, Upgrades, tcp_info
from tests.clock import run_jumping
from tests.serving import EVERY_WS, LIMIT_S, Running, Wire, ask, connected, eventually, server_process, serving

pytestmark = pytest.mark.anyio

every_loop = pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})], ids=["uvloop", "asyncio"]
)

TIMER_S = 0.002
"""uvloop's timers count whole milliseconds."""


class Pieces:
    """An observer: everything that passed the tap, by the client's port."""

    def __init__(self) -> None:
        self.passed: dict[int, list[tuple[Direction, int, bytes]]] = {}
        self.connections: dict[int, Connection] = {}

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        self.connections[connection.client_port] = connection
        self.passed.setdefault(connection.client_port, []).append((direction, at_ns, data))

    def check(self, port: int, wire: Wire) -> None:
        """The tap saw, counted and stamped what the client's socket did, no byte more or less."""
        passed, connection = self.passed[port], self.connections[port]
        up = [data for direction, _, data in passed if direction == "up"]
        down = [data for direction, _, data in passed if direction == "down"]
        assert b"".join(up) == wire.sent
        assert b"".join(down) == wire.received
        assert (connection.bytes_up, connection.bytes_down) == (len(wire.sent), len(wire.received))
        assert connection.writes == len(down)
        assert connection.closed_ns is not None
        times = [connection.opened_ns, *(at_ns for _, at_ns, _ in passed), connection.closed_ns]
        assert times == sorted(times)
        assert connection.last_write_ns == max(at_ns for direction, at_ns, _ in passed if direction == "down")
        if sys.platform == "linux":
            assert connection.segments is not None
            sent_once = connection.segments["bytes_sent"] - connection.segments["bytes_retransmitted"]
            assert sent_once == len(wire.received)
            assert 1 <= connection.segments["data_segments_up"] <= connection.segments["segments_up"]
            assert 1 <= connection.segments["data_segments_down"] <= connection.segments["segments_down"]
        else:
            assert connection.segments is None


async def polls(running: Running, wire: Wire) -> None:
    for _ in range(3):
        message = running.log.publish("hello")
        await wire.ask(f"/short-poll?after={message.cursor}")
        assert (await wire.answer())[0] == 200
        running.log.publish("長輪詢")
        await wire.ask(f"/long-poll?after={message.cursor}")
        assert (await wire.answer())[0] == 200
    await wire.ask("/messages", body=b'{"text": "a"}' + b" " * 70_000, method="POST")
    assert (await wire.answer())[0] == 201
    await wire.ask("/nowhere")
    assert (await wire.answer())[0] == 404


async def a_stream(running: Running, wire: Wire) -> None:
    await wire.ask("/sse")
    await wire.until(b"\n\n\r\n")
    for i in range(20):
        message = running.log.publish(f"{i}" * 500)
        if i % 5 == 4:
            await wire.until(f"id: {message.cursor}\n".encode())
            await wire.until(b"\n\n\r\n")


async def a_websocket(running: Running, wire: Wire) -> None:
    """Both directions at once, with control frames, as the websockets library does it without I/O."""
    protocol = ClientProtocol(parse_uri(f"ws://{running.host}/websocket"))
    protocol.send_request(protocol.connect())
    texts: list[str] = []
    pongs = 0

    async def receive() -> None:
        nonlocal pongs
        protocol.receive_data(await wire.some())
        for event in protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                texts.append(json.loads(bytes(event.data)).get("text"))
            pongs += isinstance(event, Frame) and event.opcode is Opcode.PONG

    await flush(protocol, wire)
    while not texts:
        await receive()
    for i in range(5):
        running.log.publish(f"down {i}" * 100)
        protocol.send_text(json.dumps({"text": f"up {i}"}).encode())
        protocol.send_ping(b"abc")
        await flush(protocol, wire)
    while len(texts) < 11 or pongs < 5:
        await receive()
    assert [text for text in texts[1:] if text.startswith("up")] == [f"up {i}" for i in range(5)]
    protocol.send_close(1000)
    await flush(protocol, wire)
    await wire.rest()


async def flush(protocol: ClientProtocol, wire: Wire) -> None:
    for data in protocol.data_to_send():
        await wire.send(data)


@every_loop
@pytest.mark.parametrize("ws", EVERY_WS)
@pytest.mark.parametrize(
    ("http", "delay_s"),
    [("httptools", 0), ("h11", 0), ("httptools", 0.003), ("h11", 0.003)],
    ids=["httptools", "h11", "httptools delayed", "h11 delayed"],
)
async def test_what_was_counted_is_what_the_clients_socket_saw(http: Any, ws: Any, delay_s: float) -> None:
    pieces = Pieces()
    async with serving(http=http, ws=ws, delay_s=delay_s, observer=pieces) as running:
        wires = {}
        for talk in (polls, a_stream, a_websocket):
            async with Wire.to(running.port) as wire:
                wires[wire.port] = wire
                await talk(running, wire)
        await eventually(lambda: not running.link.connections)
        assert pieces.passed.keys() == wires.keys()
        for port, wire in wires.items():
            pieces.check(port, wire)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("target", ["/short-poll?after=0", "/long-poll?after=0", "/sse?after=0"])
async def test_curl_counts_the_same(target: str) -> None:
    pieces = Pieces()
    async with serving(observer=pieces) as running:
        running.log.publish("hello")
        sizes = "%{stderr}%{local_port} %{size_request} %{size_header}"
        curl = await asyncio.create_subprocess_exec(
            *("curl", "-s", "--raw", "-w", sizes, running.url + target),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await eventually(
            lambda: any(direction == "down" for _, sent in pieces.passed.items() for direction, *_ in sent)
        )
        running.log.close()  # a stream ends with its log
        body, stderr = await asyncio.wait_for(curl.communicate(), LIMIT_S)
        port, request, header = map(int, stderr.split())
        connection = pieces.connections[port]
        assert (connection.bytes_up, connection.bytes_down) == (request, header + len(body))


# Whose connection it is


class Owning:
    """An owner that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, object]] = []

    def claim(self, connection: Connection, path: str) -> None:
        self.told.append(("claim", connection.number, path))

    def observe(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "up":
            self.told.append(("observe", connection.number, bytes(data[:3])))

    def release(self, connection: Connection) -> None:
        self.told.append(("release", connection.number, connection.closed_ns is not None))


async def test_an_owner_is_told_of_its_own_connections_and_of_no_others() -> None:
    async with serving() as running:
        here, there = Owning(), Owning()
        running.link.owners = {"here": here, "there": there}
        async with Wire.to(running.port) as wire, Wire.to(running.port) as elsewhere:
            for target in ("/here/a?b", "/here/a?b", "/there/c", "/short-poll", "/here", "/hereafter/x", "/here/%64"):
                await wire.ask(target)
                await wire.answer()
                await elsewhere.ask("/short-poll")
                await elsewhere.answer()
            await wire.send(b"POST /there/e HTTP/1.1\r\nHos")  # in pieces
            await eventually(lambda: ("claim", 1, "/there/e") in there.told)
            await wire.send(b"t: 127.0.0.1\r\nContent-Length: 25\r\n\r\n")
            await wire.send(b"GET /here/f HTTP/1.1\r\n\r\n!")  # a body, and no request
            await wire.answer()
        await eventually(lambda: not running.link.connections)
    get = ("observe", 1, b"GET")
    first = [("claim", 1, "/here/a"), get] * 2 + [("release", 1, False)]
    assert here.told == [*first, ("claim", 1, "/here/d"), get, ("release", 1, False)]
    assert there.told[:4] == [("claim", 1, "/there/c"), get, ("release", 1, False), ("claim", 1, "/there/e")]
    assert there.told[4] == ("observe", 1, b"POS")
    assert there.told[-1] == ("release", 1, True)


async def test_a_connection_that_is_upgraded_stays_with_its_owner() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        owner = Owning()
        running.link.owners = {"s": owner}
        await wire.upgrade("/s/a/p/websocket")
        await wire.until(b'"}')
        text = b"GET /short-poll HTTP/1.1\r\n\r\n"
        await wire.send(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        await wire.until(bytes([CLOSE_FRAME]))  # it is refused; who does not respond to that is waited for
        wire.writer.close()
        await eventually(lambda: not running.link.connections)
    assert [what for what, *_ in owner.told] == ["claim", "observe", "observe", "release"]


# Clients that take their time


@every_loop
@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_a_request_has_to_arrive_in_time_and_nothing_else_has_to(
    http: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(link, "REQUEST_S", 0.3)
    monkeypatch.setattr(link, "LINGER_S", 0.05)
    head = b"POST /messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    slow = (
        *(
            b"",
            b"GE",
            b"GET /short-poll HTTP/1.1\r\nHost: 127.0.0.1\r\n",
            b"\r\n",
            b"\r\n\r\n",
            head + b"Content-Length: 20\r\n\r\n{",
        ),
        head + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    )
    async with serving(http=http) as running, contextlib.AsyncExitStack() as stack:
        streaming, upgraded, idle = await stack.enter_async_context(connected(running.port))
        held = await stack.enter_async_context(Wire.to(running.port))
        await held.ask(f"/long-poll?after={running.log.newest}")
        crowd = [await stack.enter_async_context(Wire.to(running.port)) for _ in slow * 5]
        for wire, start in zip(crowd, slow * 5, strict=True):
            await wire.send(start)
        for wire in crowd:
            await wire.rest()
        await eventually(lambda: len(running.link.connections) == 4)
        message = running.log.publish("still here").json.encode()
        assert message in (await held.answer())[1]
        await streaming.until(message)
        await upgraded.until(message)
        await idle.ask("/short-poll?after=0")
        assert message in (await idle.answer())[1]
        assert running.log.newest.seq == 1
    assert not caplog.records


@every_loop
async def test_a_client_refused_halfway_can_read_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "LINGER_S", 0.05)
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask("/messages", {"Content-Length": "2000000000"}, method="POST")
        status, body = await wire.answer()  # before any of the body is sent
        assert (status, b"larger than" in body) == (413, True)
        assert b"\r\nconnection: close\r\n" in wire.received
        await wire.send(b" " * 2_000_000)
        assert await wire.rest() == b""
        await eventually(lambda: not running.link.connections)


async def test_half_open_clients_are_dropped_after_a_minute() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask("/sse")
        await wire.until(b"\n\n\r\n")
        (protocol,) = running.server.server_state.connections
        sock = protocol.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if sys.platform == "linux":
            idle_s, every_s, count = (
                sock.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle_s + every_s * count == 60
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_when_file_descriptors_run_out_open_streams_continue_and_the_log_stays_short(loop: str) -> None:
    async with server_process("--loop", loop, descriptors=150) as server, contextlib.AsyncExitStack() as stack:
        streaming = await stack.enter_async_context(Wire.to(server.port))
        await streaming.ask("/sse")
        await streaming.until(b"\n\n\r\n")
        crowd = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(400)]
        refused = [asyncio.create_task(reader.read()) for reader, _ in crowd]
        await eventually(lambda: sum(task.done() for task in refused) > 250)
        async with Wire.to(server.port) as late:  # there is no room for it either
            with contextlib.suppress(OSError):
                assert await late.rest() == b""
        for _, writer in crowd:
            writer.close()
        await asyncio.gather(*refused, return_exceptions=True)
        for number in range(3):
            await eventually_served(server.port, b'{"text": "number %d"}' % number)
            await streaming.until(b"number %d" % number)
        code, errors = await server.end()
        await streaming.rest()
    assert code == 0
    assert len(errors) <= 2, errors[:10]


@every_loop
@pytest.mark.parametrize("delay_s", [0, 0.01], ids=["no delay", "delay"])
async def test_a_connection_beyond_the_limit_gets_a_503_that_says_so(
    delay_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LINGER_S", 0.05)
    pieces = Pieces()
    async with serving(delay_s=delay_s, observer=pieces) as running, contextlib.AsyncExitStack() as stack:
        running.link.connections_max = 3
        streaming, upgraded, idle = await stack.enter_async_context(connected(running.port))
        for _ in range(3):  # those that were refused don't count
            for method, target, body in (
                ("GET", "/short-poll", b""),
                ("POST", "/messages", b'{"text": "a"}'),
                *UPGRADED,
            ):
                async with Wire.to(running.port) as wire:
                    await (wire.ask(target, body=body, method=method) if method else wire.upgrade(target))
                    status, said = await wire.answer()
                    assert (status, json.loads(said)) == (503, {"error": LIMIT_OF_3})
                    assert b"\r\ncontent-type: application/json\r\n" in wire.received
                    assert b"\r\nconnection: close\r\n" in wire.received
                    assert await wire.rest() == b""
                    assert b"".join(data for way, _, data in pieces.passed[wire.port] if way == "down") == wire.received
        async with Wire.to(running.port) as slow:  # in pieces, and the rest after the response
            for piece in (b"POST /messages HTTP/1.1\r\nContent-Le", b"ngth: 100\r\n\r", b"\n"):
                await slow.send(piece)
            assert (await slow.answer())[0] == 503
            await slow.send(b" " * 100)
            assert await slow.rest() == b""
        idle.writer.close()
        await eventually(lambda: len(running.link.connections) == 2)
        assert running.link.refused == 0
        assert (await ask(running.port, "/messages", body=b'{"text": "room"}', method="POST"))[0] == 201
        await streaming.until(b"room")
        await upgraded.until(b"room")


LIMIT_OF_3 = "3 connections are open, which is the limit: try again later"
UPGRADED = (("", "/websocket", b""), ("", "/socket.io/?EIO=4&transport=websocket", b""))


async def eventually_served(port: int, body: bytes) -> None:
    """Publish, as soon as there is room again."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                assert (await ask(port, "/messages", body=body, method="POST"))[0] == 201
                return


# The emulated network


@every_loop
async def test_everything_is_late_by_the_delay_and_a_new_connection_by_a_round_trip_more() -> None:
    delay_s = 0.03
    async with serving(delay_s=delay_s) as running:
        start = time.monotonic()
        async with Wire.to(running.port) as wire:
            await wire.ask("/short-poll")
            await wire.answer()
            first_s, start = time.monotonic() - start, time.monotonic()
            assert first_s >= 4 * delay_s - TIMER_S
            await wire.ask("/short-poll")
            await wire.answer()
            assert time.monotonic() - start >= 2 * delay_s - TIMER_S
            await wire.ask("/sse")
            await wire.until(b"\n\n\r\n")
            start = time.monotonic()
            running.log.publish("hello")
            await wire.until(b"\n\n\r\n")
            assert time.monotonic() - start >= delay_s - TIMER_S


@settings(deadline=None)
@given(
    delay_s=st.integers(1, 100).map(float),
    held_back=st.sampled_from([0, 2]),
    gaps=st.lists(st.sampled_from([0.0, 0.0, 1.0, 7.0, 250.0]), max_size=20),
)
def test_a_lane_keeps_the_order_and_delays_by_just_what_it_should(
    delay_s: float, held_back: int, gaps: list[float]
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        lane = Lane(loop, delay_s, held_back)
        done: list[tuple[int, float]] = []
        sent: list[float] = []

        def arrive(number: int) -> None:
            done.append((number, loop.time()))

        for number, gap in enumerate(gaps):
            await asyncio.sleep(gap)
            sent.append(loop.time())
            lane.send(lambda number=number: arrive(number))  # type: ignore[misc]
        await asyncio.sleep(1_000)
        first = (1 + held_back) * delay_s
        assert [number for number, _ in done] == list(range(len(gaps)))
        assert [at for _, at in done] == [pytest.approx(max(first, at + delay_s)) for at in sent]

    run_jumping(scenario())


@settings(deadline=None)
@given(
    handshake_delays=st.sampled_from([0, 2]),
    # What happens after so long: something is sent (None), or the delay becomes another.
    steps=st.lists(
        st.tuples(st.sampled_from([0, 0, 1, 7, 250]), st.none() | st.sampled_from([0, 1, 10, 100])), max_size=30
    ),
)
def test_a_lane_keeps_the_order_while_its_delay_changes(
    handshake_delays: int, steps: list[tuple[int, int | None]]
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        lane = Lane(loop, 0, handshake_delays)
        done: list[tuple[int, float]] = []
        due: list[float] = []
        delay = 0

        def arrive(number: int) -> None:
            done.append((number, loop.time()))

        for gap, delay_by in steps:
            await asyncio.sleep(gap)
            if delay_by is None:
                # Nothing overtakes what was sent before, and nothing comes before the handshake's end.
                number = len(due)
                due.append(max(due[-1] if due else (1 + handshake_delays) * delay, loop.time() + delay))
                assert loop.time() + lane.delay_s == due[-1]
                lane.send(lambda number=number: arrive(number))  # type: ignore[misc]
            else:
                delay = delay_by
                lane.delay_by(delay)
        await asyncio.sleep(1_000)
        assert done == list(enumerate(due))

    run_jumping(scenario())


@pytest.mark.parametrize(
    ("happens", "due"),
    [
        ([(1, 10), (1, "sent")], 30),  # set late, and the connection is new
        ([(25, 10), (25, "sent")], 35),  # open for longer than the handshake would have taken
        ([(1, 10), (2, 1), (2, "sent")], 3),  # the handshake is as long as the delay that it was sent with
        ([(1, "sent"), (2, 10), (3, "sent")], 13),  # it has been used: the handshake is over
        ([(0, 10), (1, "sent"), (2, 0), (3, "sent")], 30),  # behind what is on its way, though not delayed itself
        ([(0, 10), (1, "sent"), (2, 0), (31, "sent")], 31),
    ],
)
def test_a_handshake_comes_before_the_first_bytes_and_no_others(happens: list[tuple[int, Any]], due: int) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        lane = Lane(loop, 0, handshake_delays=2)
        done: list[float] = []
        for at, what in happens:
            await asyncio.sleep(at - loop.time())
            if what == "sent":
                lane.send(lambda: done.append(loop.time()))
            else:
                lane.delay_by(what)
        await asyncio.sleep(1_000)
        assert done[-1] == due

    run_jumping(scenario())


def test_a_lane_that_is_closed_does_nothing_more() -> None:
    async def scenario() -> None:
        lane = Lane(asyncio.get_running_loop(), 5)
        done: list[int] = []
        lane.send(lambda: done.append(1))
        await asyncio.sleep(6)
        lane.send(lambda: done.append(2))
        lane.close()
        await asyncio.sleep(100)
        assert done == [1]

    run_jumping(scenario())


@every_loop
async def test_what_was_sent_just_before_the_client_left_still_arrives() -> None:
    async with serving(delay_s=0.05) as running:
        async with Wire.to(running.port) as wire:
            await wire.ask("/messages", body=b'{"text": "last words"}', method="POST")
        async with Wire.to(running.port) as wire:
            await wire.upgrade()
            await wire.until(b'"}')
            frame = b'{"text": "over"}'
            await wire.send(bytes([0x81, 0x80 | len(frame), 0, 0, 0, 0]) + frame)
        await eventually(lambda: running.log.newest.seq == 2)
        kept = running.log.after(running.log.oldest).messages
        assert sorted(message.text for message in kept) == ["last words", "over"]
        await eventually(lambda: not running.link.connections)


@every_loop
async def test_a_connections_delay_can_change_while_bytes_are_on_their_way(caplog: pytest.LogCaptureFixture) -> None:
    pieces = Pieces()
    async with serving(observer=pieces) as running, Wire.to(running.port) as wire:
        await wire.ask("/short-poll")
        await wire.answer()
        (connection,) = running.link.connections.values()
        start = time.monotonic()
        connection.delay_by(0.03)
        await wire.ask("/sse")
        await wire.until(b"\n\n\r\n")
        assert time.monotonic() - start >= 2 * 0.03 - TIMER_S
        sizes = [1, 5_000, 3, 100_000, 2, 1]
        for size, delay_s in zip(sizes, (0.02, 0, 0.01, 0.0, 0.001, 0), strict=True):
            connection.delay_by(delay_s)
            count = len(pieces.passed[wire.port])
            running.log.publish("a" * size)
            await eventually(lambda: len(pieces.passed[wire.port]) > count)  # written, and on its way  # noqa: B023
        while len(wire.received) < connection.bytes_down:
            await wire.some()
        down = b"".join(data for direction, _, data in pieces.passed[wire.port] if direction == "down")
        assert wire.received == down
        assert [down.count(b'"' + b"a" * size + b'"') for size in sizes] == [sizes.count(size) for size in sizes]
    assert not caplog.records


@every_loop
async def test_a_connection_returns_to_the_links_own_delay() -> None:
    async with serving(delay_s=0.01) as running, Wire.to(running.port) as wire:
        await wire.ask("/short-poll")
        await wire.answer()
        (connection,) = running.link.connections.values()
        connection.delay_by(0)
        assert [lane.delay_s for lane in connection.lanes.values()] == [0, 0]
        connection.delay_by(None)
        assert [lane.delay_s for lane in connection.lanes.values()] == [0.01, 0.01]


@every_loop
@pytest.mark.parametrize("delay_s", [0, 0.02], ids=["no delay", "delay"])
async def test_a_cut_is_a_loss_without_a_goodbye(delay_s: float) -> None:
    async with serving(delay_s=delay_s) as running, Wire.to(running.port) as streaming, Wire.to(running.port) as socket:
        await streaming.ask("/sse")
        await streaming.until(b"\n\n\r\n")
        await socket.upgrade()
        await socket.until(b'"}')
        tasks = len(asyncio.all_tasks())
        running.link.cut()
        assert await lost(streaming) == await lost(socket) == b""
        await eventually(lambda: not running.link.connections and len(asyncio.all_tasks()) < tasks)
        async with Wire.to(running.port) as again:
            await again.ask("/short-poll")
            assert (await again.answer())[0] == 200


async def lost(wire: Wire) -> bytes:
    with contextlib.suppress(ConnectionResetError):
        return await wire.rest()
    return b""


@every_loop
async def test_a_client_gone_at_once_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", running.port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        async with Wire.to(running.port) as wire:  # accepted behind all those
            await wire.ask("/short-poll")
            assert (await wire.answer())[0] == 200
        await eventually(lambda: not running.link.connections)
    assert not caplog.records


# The writer, under a protocol of our own


class Speaker(asyncio.Protocol):
    """Sends every client what a test wants."""

    writer: TappedWriter

    def __init__(self, app_state: Mapping[str, Any]) -> None:
        self.tap: Tap = app_state["tap"]
        self.told: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.writer = transport
        made.put_nowait(self)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


made: asyncio.Queue[Speaker] = asyncio.Queue()


@contextlib.asynccontextmanager
async def speaking(delay_s: float) -> AsyncIterator[tuple[TappedWriter, Wire, Connection]]:
    tapping = Link(delay_s)
    make = partial(tapping.tapped(Speaker), app_state={})  # type: ignore[call-arg]
    server = await asyncio.get_running_loop().create_server(make, sock=listen("127.0.0.1", 0))
    async with server, Wire.to(server.sockets[0].getsockname()[1]) as wire:
        speaker = await made.get()
        yield speaker.writer, wire, *tapping.connections.values()  # type: ignore[misc]


@every_loop
@pytest.mark.parametrize("delay_s", [0, 0.01], ids=["no delay", "delay"])
async def test_every_way_to_write_is_counted_and_nothing_after_the_end(delay_s: float) -> None:
    async with speaking(delay_s) as (writer, wire, connection):
        writer.write(b"one ")
        writer.write(b"")
        buffer = bytearray(b"two ")
        writer.write(memoryview(buffer))
        buffer[:] = b"gone"
        writer.writelines([b"three", b" ", b"four"])
        assert not writer.is_closing()
        writer.close()
        assert writer.is_closing()
        writer.write(b"too late")
        writer.writelines([b"much", b"too late"])
        assert await wire.rest() == b"one two three four"
        assert (connection.bytes_down, connection.writes) == (18, 3)


@every_loop
async def test_the_end_of_writing_comes_after_what_was_written() -> None:
    async with speaking(0.01) as (writer, wire, connection):
        writer.write(b"all")
        writer.write_eof()
        assert await wire.rest() == b"all"
        assert connection.bytes_down == 3


@every_loop
async def test_writing_pauses_while_much_is_delayed_and_the_end_comes_after_all_of_it() -> None:
    async with speaking(0.05) as (writer, wire, _):
        speaker, size = writer.get_protocol(), 8_000
        assert isinstance(speaker, Speaker)
        for number in range(1, 12):
            writer.write(b"a" * size)
            assert speaker.told == ["pause"] * (number * size > link.WRITE_HIGH_BYTES)
            assert speaker.tap.offer(b"", 0) == (not speaker.told)
        second = Speaker({"tap": speaker.tap})
        writer.set_protocol(second)  # as at an upgrade
        assert second.told == ["pause"]
        await wire.exactly(11 * size)
        await eventually(lambda: second.told == ["pause", "resume"])
        for _ in range(10):
            writer.write(b"b" * size)
        writer.close()
        assert await wire.rest() == b"b" * 10 * size


@every_loop
async def test_what_was_on_its_way_to_a_client_that_left_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async with speaking(0.05) as (writer, wire, connection):
        for _ in range(20):
            writer.write(b"on its way")
        assert connection.bytes_down == 200
        wire.reset()
        await eventually(writer.is_closing)
        await asyncio.sleep(2 * 0.05)  # until all of it would have arrived
    assert not caplog.records


@pytest.mark.parametrize("ws", EVERY_WS)
async def test_a_client_gone_before_its_upgrade_has_arrived_is_no_error(
    ws: Literal["websockets-sansio", "websockets", "wsproto"], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(ws=ws, delay_s=0.02) as running:
        async with Wire.to(running.port) as wire:
            await wire.upgrade()
            await eventually(lambda: running.link.connections)
            wire.reset()
        await eventually(lambda: not running.link.connections and not running.server.server_state.connections)
    assert not caplog.records


@every_loop
async def test_small_writes_leave_at_once() -> None:
    async with speaking(0) as (writer, _, _):
        assert writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_segments_are_known_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            assert (tcp_info(client) is None) == (sys.platform != "linux")
            monkeypatch.setattr(sys, "platform", "darwin")
            assert tcp_info(client) is None
            monkeypatch.undo()
        assert tcp_info(client) is None  # closed


def test_connections_are_numbered_from_one() -> None:
    assert list(itertools.islice(iter(Link().number, None), 3)) == [1, 2, 3]


async def test_what_is_sent_within_a_delay_is_bounded() -> None:
    async with serving(delay_s=5.0) as running, Wire.to(running.port) as wire:
        await wire.upgrade()
        frame = bytes([0x82, 0xFF]) + (1 << 20).to_bytes(8, "big") + bytes(4) + bytes(1 << 20)
        with pytest.raises(OSError):
            while True:
                await wire.send(frame)
        await eventually(lambda: not running.link.connections)


@pytest.mark.parametrize("upgrades", ["refuse", "cut"])
@pytest.mark.parametrize("delay_s", [0, 0.01], ids=["no delay", "delay"])
async def test_a_network_can_keep_websocket_out_and_lets_all_else_through(upgrades: Upgrades, delay_s: float) -> None:
    async with serving(upgrades=upgrades, delay_s=delay_s) as running:
        async with Wire.to(running.port) as wire:
            await wire.upgrade()
            answer = await wire.rest()
            assert answer == (REFUSAL if upgrades == "refuse" else b"")
        async with Wire.to(running.port) as wire:
            await wire.ask("/short-poll")
            assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        running.link.upgrades = "pass"
        async with Wire.to(running.port) as wire:
            await wire.upgrade()
            assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")


async def test_what_only_mentions_upgrading_gets_through() -> None:
    async with serving(upgrades="refuse") as running, Wire.to(running.port) as wire:
        await wire.send(b"GET /short-poll HTTP/1.1\r\nHost: 127.0.0.1\r\nReferer: upgrade: websocket\r\n\r\n")
        assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
