"""The ledger balances and says the right thing of every byte: on real connections of every transport, whole and cut."""

import asyncio
import contextlib
import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from app.message import TEXT_MAX_BYTES, Message, Update
from app.transports import sse
from clients import CLIENTS, headers, raw, socket_io
from experiments.analysis.ledger import Exchange, Unbalanced, explain
from experiments.run.recording import Connection, Stream
from experiments.variants import VARIANTS
from tests.serving import LIMIT_S, PLAIN_TRANSPORTS, Running, Wire, eventually, path, serving
from tests.witness import Witness

SOCKET_IO = "/socket.io/"

TEXTS = ("short", "a" * 120, "長輪詢" * 60, "\x00" * 11_000)
"""Messages for frames with each length of length, and with characters of more than a byte."""

CATEGORIES = {
    "short_poll": {"up request_head", "down response_head", "down payload", "down poll_body"},
    "long_poll": {"up request_head", "down response_head", "down payload", "down poll_body"},
    "sse": {"up request_head", "down response_head", "down payload", "down chunk", "down sse_field", "down control"},
    "websocket": {"up request_head", "down response_head", "down payload", "down frame", "down control"},
}

KINDS = ("/short-poll", "/sse", "/websocket", "/socket.io/ polled", "/socket.io/ posted", "/socket.io/ upgraded")
"""The connections that `whole` records; on the first, publications too."""

SOCKET_IO_VIA: dict[str, tuple[str, ...]] = {
    variant.via: variant.library_transports for variant in VARIANTS.values() if variant.via
}


@contextlib.asynccontextmanager
async def recorded(folder: Path) -> AsyncIterator[tuple[Running, list[Connection]]]:
    """A server, and what crossed its sockets, by way of a file in `folder`: connections, once the block has ended."""
    witness, connections = Witness(), list[Connection]()
    async with serving(observer=witness) as running:
        yield running, connections
    connections += witness.recording(folder).connections


def balanced(connection: Connection) -> list[Exchange]:
    """The connection's exchanges; their sums are what the tap counted, and what there is."""
    exchanges = explain(connection)
    for direction, stream in (("up", connection.up), ("down", connection.down)):
        explained = sum(size for name, size in sizes(*exchanges).items() if name.startswith(direction))
        assert explained == getattr(connection, f"bytes_{direction}") == len(stream.data)
    assert exchanges == sorted(exchanges, key=lambda exchange: exchange.started_ns)
    assert all(exchange.started_ns <= exchange.ended_ns for exchange in exchanges)
    return exchanges


def sizes(*exchanges: Exchange) -> dict[str, int]:
    """Bytes by direction and category, without those that are 0."""
    total: Counter[str] = Counter()
    for exchange in exchanges:
        for (direction, category), size in exchange.sizes.items():
            assert size >= 0
            total[f"{direction} {category}"] += size
    return {name: size for name, size in sorted(total.items()) if size}


def heads(data: bytes) -> int:
    """The bytes of all heads in a stream of HTTP whose bodies are JSON."""
    return sum(len(head) for head in re.findall(rb"(?:[A-Z]+ /|HTTP/1.1 ).*?\r\n\r\n", data, re.DOTALL))


def last_byte(transport: str, down: bytes, payload: bytes) -> int:
    """Where a message is there: a pushed one with its frame or event, one in a poll's response with all of it."""
    end = down.index(payload) + len(payload)
    if transport == "websocket":
        return end - 1
    mark = b"\n\n\r\n" if transport == "sse" else b'"}'
    return down.index(mark, end) + len(mark) - 1


# Clients


@pytest.mark.anyio
@pytest.mark.parametrize("client", ["library", "raw", "browser"])
@pytest.mark.parametrize("transport", PLAIN_TRANSPORTS)
async def test_every_byte_of_a_client_is_explained(transport: str, client: str, tmp_path: Path) -> None:
    async with recorded(tmp_path) as (running, connections):
        published = await read_all(running, receive(transport, client, running.url), transport == "short_poll")
        await eventually(lambda: not running.link.connections)
    (connection,) = connections
    exchanges = balanced(connection)
    up, down = connection.up.data, connection.down.data
    payloads = [message.json.encode() for message in published]
    requests = [exchange for exchange in exchanges if exchange.kind == "request"]
    pushes = [exchange for exchange in exchanges if exchange.kind == "push"]
    assert {request.path for request in requests} == {path(transport)}
    assert len(requests) == up.count(b"GET /")
    assert requests[0].started_ns == connection.up.at_ns(0)

    written = [written for exchange in exchanges for written in exchange.messages]
    assert [cursor for cursor, _ in written] == [message.cursor for message in published]
    times = [connection.down.at_ns(last_byte(transport, down, payload)) for payload in payloads]
    assert [at_ns for _, at_ns in written] == times == sorted(times)

    found = sizes(*exchanges)
    goodbye = {"up control", "up frame"} if (transport, client) == ("websocket", "library") else set()
    assert found.keys() == CATEGORIES[transport] | goodbye
    assert all(
        name.removeprefix("up ") in ("request_head", "publication", "control", "frame")
        for name in found
        if name.startswith("up ")
    )
    assert found["down payload"] == sum(map(len, payloads))
    assert found["up request_head"] == heads(up)
    assert found["down response_head"] == heads(down)
    if transport in ("short_poll", "long_poll"):
        empty = sum(request.status == 200 and not request.messages for request in requests)
        assert empty == down.count(b'{"messages":[],')
        assert (empty > 0) == (transport == "short_poll")
        assert not pushes
    else:
        assert len(requests) == 1
        assert sum(len(push.messages) for push in pushes) == len(published)
    if transport == "sse":
        assert len(pushes) == down.count(b"\n\n\r\n")
        assert found["down chunk"] == sum(len(size) + 4 for size in re.findall(rb"\r\n([0-9a-f]+)\r\n", down))


def receive(transport: str, client: str, url: str) -> AsyncIterator[Update]:
    pause: dict[str, Any] = {"pause_s": 0.01} if transport == "short_poll" else {}
    if client == "library":
        return CLIENTS[transport].receive(url, "0", **pause)
    profile = headers.browser if client == "browser" else headers.library
    return raw.receive(transport, url, "0", headers=profile, **pause)


@pytest.mark.anyio
@pytest.mark.parametrize("client", ["library", "raw"])
@pytest.mark.parametrize("via", SOCKET_IO_VIA)
async def test_every_byte_of_socket_io_is_explained(via: str, client: str, tmp_path: Path) -> None:
    async with recorded(tmp_path) as (running, connections):
        if client == "library":
            stream = socket_io.receive(running.url, "0", SOCKET_IO_VIA[via])
        else:
            stream = raw.receive("socket_io", running.url, "0", via=via)
        published = await read_all(running, stream, until_empty=False)
        await eventually(lambda: not running.link.connections)
    exchanges = [exchange for connection in connections for exchange in balanced(connection)]
    assert {exchange.path for exchange in exchanges} == {SOCKET_IO}
    told = sorted((at_ns, cursor.seq) for exchange in exchanges for cursor, at_ns in exchange.messages)
    assert [seq for _, seq in told] == [message.cursor.seq for message in published]
    opened = [exchange for exchange in exchanges if exchange.opening]
    pushes = [exchange for exchange in exchanges if exchange.kind == "push" and exchange.messages]
    assert (via == "polling") == (not pushes)

    found = sizes(*exchanges)
    assert found["down payload"] == sum(len(message.json.encode()) for message in published)
    events = len('2["message",]') * len(published)
    assert found["down socket_io"] - events == sum(sizes(exchange).get("down socket_io", 0) for exchange in opened)
    assert all(
        sizes(push).keys() == {"down frame", "down payload", "down engine_io", "down socket_io"} for push in pushes
    )
    assert all(sizes(push)["down engine_io"] == 1 for push in pushes)
    assert found["up request_head"] == sum(heads(connection.up.data) for connection in connections)
    polls = [exchange for exchange in exchanges if exchange.method == "GET" and exchange.messages]
    for poll in polls:  # type digits, and what separates packets, of which some are not messages where it begins
        assert sizes(poll)["down engine_io"] >= 2 * len(poll.messages) - 1
        assert poll.opening or sizes(poll)["down engine_io"] == 2 * len(poll.messages) - 1


@pytest.mark.anyio
async def test_what_is_published_over_socket_io_is_told_from_what_is_around_it(tmp_path: Path) -> None:
    publication = '{"text":"hello, 世界"}'
    async with recorded(tmp_path) as (running, connections), Wire.to(running.port) as wire:
        await wire.read("socket_io", "0")
        await wire.until(b'["cursor",')
        packet = f'427["publish",{publication}]'.encode()
        await wire.send(bytes([0x81, 0x80 | len(packet), 0, 0, 0, 0]) + packet)
        await wire.until(b"437[")
        await wire.send(bytes([0x81, 0x81, 0, 0, 0, 0]) + b"3")
        (connection,) = running.link.connections.values()
        await eventually(lambda: connection.bytes_up == len(wire.sent))
    (connection,) = connections  # type: ignore[assignment]
    *_, said, pong = [exchange for exchange in balanced(connection) if exchange.kind == "frame_up"]  # type: ignore[arg-type]
    around = len('27["publish",]')
    assert sizes(said) == {
        "up frame": 6,
        "up engine_io": 1,
        "up socket_io": around,
        "up publication": len(publication.encode()),
    }
    assert sizes(pong) == {"up frame": 6, "up engine_io": 1}


async def read_all(running: Running, stream: AsyncIterator[Update], until_empty: bool) -> list[Message]:
    """Publishes, alone and in bursts, while the client reads; what was published."""
    published = [running.log.publish("there already")]
    async with asyncio.timeout(LIMIT_S), contextlib.aclosing(stream):  # type: ignore[type-var]
        assert await anext(stream) == published[0]
        for text in TEXTS:
            published += [running.log.publish(text) for _ in range(3 if text == "short" else 1)]
            while await anext(stream) != published[-1]:
                pass
        last = asyncio.ensure_future(anext(stream))
        if until_empty:
            (connection,) = running.link.connections.values()
            asked = connection.writes
            await eventually(lambda: connection.writes > asked + 2)
        published.append(running.log.publish("at last"))
        assert await last == published[-1]
    return published


# What else happens on a connection


@pytest.mark.anyio
async def test_refusals_are_control(tmp_path: Path) -> None:
    evil = {"Origin": "http://evil.example"}
    async with recorded(tmp_path) as (running, connections), Wire.to(running.port) as wire:
        bodies = []
        for target, lines in (
            ("/short-poll?after=x", {}),
            ("/nowhere", {}),
            ("/sse?after=x", {}),
            ("/", {"Host": "evil.example"}),
            ("/long-poll", evil),
        ):
            await wire.ask(target, lines)
            bodies.append((await wire.answer())[1])
        await wire.ask("/messages", body=b"{}", method="POST")
        bodies.append((await wire.answer())[1])
        await wire.upgrade(headers=evil)
        bodies.append((await wire.answer())[1])
    (connection,) = connections
    exchanges = balanced(connection)
    assert [exchange.status for exchange in exchanges] == [400, 404, 400, 400, 403, 400, 403]
    assert [exchange.sizes["down", "control"] for exchange in exchanges] == [len(body) for body in bodies]
    assert not any(exchange.messages for exchange in exchanges)
    assert sizes(*exchanges) == {
        "down control": sum(map(len, bodies)),
        "down response_head": heads(connection.down.data),
        "up publication": 2,
        "up request_head": heads(connection.up.data),
    }


@pytest.mark.anyio
async def test_pipelined_publications_and_a_poll(tmp_path: Path) -> None:
    async with recorded(tmp_path) as (running, connections), Wire.to(running.port) as wire:
        bodies = [json.dumps({"text": text}).encode() for text in TEXTS]
        await wire.send(b"".join(publication(running, body) for body in bodies) + poll(running))
        answers = [await wire.answer() for _ in range(len(bodies) + 1)]
    (connection,) = connections
    exchanges = balanced(connection)
    assert [exchange.status for exchange in exchanges] == [status for status, _ in answers] == [201] * 4 + [200]
    assert [exchange.path for exchange in exchanges] == ["/messages"] * 4 + ["/short-poll"]
    assert [exchange.sizes["up", "publication"] for exchange in exchanges] == [*(len(body) for body in bodies), 0]
    assert [len(exchange.messages) for exchange in exchanges] == [0] * 4 + [4]
    assert exchanges[-1].sizes["down", "payload"] == sum(len(answer) for _, answer in answers[:-1])


JSON = "Content-Type: application/json\r\n"


def publication(running: Running, body: bytes) -> bytes:
    head = f"POST /messages HTTP/1.1\r\nHost: {running.host}\r\n{JSON}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def poll(running: Running) -> bytes:
    return f"GET /short-poll?after=0 HTTP/1.1\r\nHost: {running.host}\r\n\r\n".encode()


@pytest.mark.anyio
async def test_websocket_frames_of_every_kind_and_length_in_both_directions(tmp_path: Path) -> None:
    texts = ("a", "a" * 120, "a" * TEXT_MAX_BYTES, "\x00" * TEXT_MAX_BYTES)
    async with recorded(tmp_path) as (running, connections):
        async with connect(f"ws://{running.host}/websocket", compression=None) as socket:
            position = await socket.recv()
            frames = [json.dumps({"text": text}) for text in texts]
            for frame in frames:
                await socket.send(frame)
            messages = [await socket.recv() for _ in texts]
            await asyncio.wait_for(await socket.ping(b"hello"), LIMIT_S)
            await socket.close(1000, "bye")
        await eventually(lambda: not running.link.connections)
    (connection,) = connections
    request, *rest = balanced(connection)
    assert (request.kind, request.path, request.status) == ("request", "/websocket", 101)
    up = [exchange for exchange in rest if exchange.kind == "frame_up"]
    assert [sizes(exchange) for exchange in up] == [
        *({"up frame": 6 + more, "up publication": len(f)} for more, f in zip((0, 2, 2, 8), frames, strict=True)),
        {"up frame": 6, "up control": len("hello")},
        {"up frame": 6, "up control": 2 + len("bye")},
    ]
    down = [exchange for exchange in rest if exchange.kind == "push"]
    assert [sizes(exchange) for exchange in down] == [
        {"down frame": 2, "down control": len(position)},
        *({"down frame": 2 + more, "down payload": len(m)} for more, m in zip((0, 2, 2, 8), messages, strict=True)),
        {"down frame": 2, "down control": len("hello")},
        {"down frame": 2, "down control": 2 + len("bye")},
    ]
    assert [len(exchange.messages) for exchange in down] == [0, 1, 1, 1, 1, 0, 0]
    assert len(up) + len(down) == len(rest)


@pytest.mark.anyio
async def test_what_was_missed_heartbeats_and_the_final_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.01)
    async with recorded(tmp_path) as (running, connections), Wire.to(running.port) as wire:
        await wire.ask("/sse?after=0thers-7")
        for _ in range(2):
            await wire.until(b"\r\n3\r\n:\n\n\r\n")
        message = running.log.publish("hello")
        await wire.until(b"\n\n\r\n")
        running.server.should_exit = True
        await wire.until(b"\r\n0\r\n\r\n")
    (connection,) = connections
    request, opening, *pushes, end = balanced(connection)
    down = connection.down.data
    assert sizes(request) == {"up request_head": len(connection.up.data), "down response_head": heads(down)}
    told = down[down.index(b"retry: ") : down.index(b"\n\n", down.index(b"event: missed")) + 2]
    assert sizes(opening) == {"down chunk": len(f"{len(told):x}\r\n\r\n"), "down control": len(told)}
    (update,) = (push for push in pushes if push.messages)
    (written,) = update.messages
    assert written == (message.cursor, connection.down.at_ns(last_byte("sse", down, message.json.encode())))
    assert sizes(update)["down payload"] == len(message.json)
    heartbeats = [push for push in pushes if push is not update]
    assert len(heartbeats) >= 2
    assert all(sizes(heartbeat) == {"down chunk": 5, "down control": len(":\n\n")} for heartbeat in heartbeats)
    assert sizes(end) == {"down chunk": len("0\r\n\r\n")}


@pytest.mark.parametrize("kind", KINDS)
def test_times_are_those_of_first_and_last_bytes(kind: str) -> None:
    connection, _ = whole()[kind]
    later = len(connection.up.data)  # every byte at its own time: that of its place, upwards first
    up = Stream((i, connection.up.data[i : i + 1]) for i in range(later))
    down = Stream((later + i, connection.down.data[i : i + 1]) for i in range(len(connection.down.data)))
    exchanges = balanced(replace(connection, up=up, down=down))
    at = {"up": 0, "down": later}
    for exchange in exchanges:
        assert exchange.started_ns == at["down" if exchange.kind == "push" else "up"]
        for direction in at:
            at[direction] += sum(size for name, size in sizes(exchange).items() if name.startswith(direction))
        assert exchange.ended_ns == at["up" if exchange.kind == "frame_up" else "down"] - 1
        assert all(at_ns == exchange.ended_ns for _, at_ns in exchange.messages)
    assert at == {"up": later, "down": later + len(connection.down.data)}


def test_after_a_response_in_chunks_comes_the_next() -> None:
    connection, _ = whole()["/sse"]
    up, down = connection.up.data * 2, (connection.down.data + b"0\r\n\r\n") * 2
    twice = replace(connection, up=Stream([(1, up)]), down=Stream([(2, down)]), bytes_up=len(up), bytes_down=len(down))
    once = sizes(*explain(connection))
    assert sizes(*balanced(twice)) == {name: 2 * size + 10 * (name == "down chunk") for name, size in once.items()}


# Connections that break


@pytest.mark.anyio
async def test_a_connection_that_is_cut_while_something_is_on_its_way_is_balanced(tmp_path: Path) -> None:
    async with recorded(tmp_path) as (running, connections), contextlib.AsyncExitStack() as stack:
        running.link.delay_s = 0.02
        streaming, socket, polling = [await stack.enter_async_context(Wire.to(running.port)) for _ in range(3)]
        await streaming.ask("/sse")
        await streaming.until(b"\n\n\r\n")
        await socket.upgrade()
        await socket.until(b'"}')
        await polling.ask("/long-poll")
        await eventually(lambda: all(c.bytes_up for c in running.link.connections.values()))
        written = sum(c.writes for c in running.link.connections.values())
        running.log.publish("hello")
        await eventually(lambda: sum(c.writes for c in running.link.connections.values()) >= written + 2)
        running.link.cut()
        received = [await wire.rest() for wire in (streaming, socket)]
    assert len(connections) == 3
    assert not any(b"hello" in data for data in received)
    for connection in connections:
        balanced(connection)


@pytest.mark.anyio
@pytest.mark.parametrize("goodbye", ["reset", "close"])
async def test_a_client_that_leaves_in_the_middle_of_a_request_is_balanced(goodbye: str, tmp_path: Path) -> None:
    parts = (b"GET /sh", f"POST /messages HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 90\r\n\r\n".encode())
    async with recorded(tmp_path) as (running, connections):
        for part in parts:
            async with Wire.to(running.port) as wire:
                await wire.send(poll(running))
                await wire.answer()
                await wire.send(part)
                (connection,) = running.link.connections.values()
                await eventually(lambda c=connection, w=wire: c.bytes_up == len(w.sent))  # type: ignore[misc]
                if goodbye == "reset":
                    wire.reset()
            await eventually(lambda: not running.link.connections)
    asking, publishing = connections
    answered, rest = balanced(asking)
    assert (answered.status, sizes(rest)) == (200, {"up unfinished": len(parts[0])})
    answered, rest = balanced(publishing)
    assert (answered.status, sizes(rest)) == (200, {"up request_head": len(parts[1])})


@pytest.mark.anyio
async def test_what_is_not_http_is_unfinished_or_refused(tmp_path: Path) -> None:
    async with recorded(tmp_path) as (running, connections):
        for garbage in (b"\x16\x03\x01\x02\x00", b"hello\r\n\r\n"):
            async with Wire.to(running.port) as wire:
                await wire.send(garbage)
                assert b"Invalid HTTP request received." in await wire.rest()
    without_an_end, with_an_end = connections
    assert sizes(*balanced(without_an_end)) == {
        "down unfinished": len(without_an_end.down.data),
        "up unfinished": len(without_an_end.up.data),
    }
    with pytest.raises(ValueError, match=r"b'hello\\r\\n\\r\\n' is not an HTTP request"):
        explain(with_an_end)


@pytest.mark.anyio
async def test_a_refusal_that_does_not_wait_for_the_end_of_the_request_is_balanced(tmp_path: Path) -> None:
    async with recorded(tmp_path) as (running, connections), Wire.to(running.port) as wire:
        head = f"POST /messages HTTP/1.1\r\nHost: {running.host}\r\n{JSON}Content-Length: 4000000\r\n\r\n"
        await wire.send(head.encode() + b" " * 200_000)
        assert (await wire.answer())[0] == 413
    (connection,) = connections
    assert sizes(*balanced(connection)) == {
        "down unfinished": len(connection.down.data),
        "up request_head": len(head),
        "up unfinished": len(connection.up.data) - len(head),
    }


@cache
def whole() -> dict[str, tuple[Connection, dict[str, list[tuple[int, bytes]]]]]:
    """A connection of every kind, and its pieces by direction."""
    witness = Witness()

    async def record() -> None:
        async with serving(observer=witness) as running, contextlib.AsyncExitStack() as stack:
            polling, streaming = [await stack.enter_async_context(Wire.to(running.port)) for _ in range(2)]
            await streaming.ask("/sse")
            await streaming.until(b"\n\n\r\n")
            async with connect(f"ws://{running.host}/websocket", compression=None) as socket:
                await socket.recv()
                for text in TEXTS[:3]:
                    await socket.send(json.dumps({"text": text}))
                    await socket.recv()
                await asyncio.wait_for(await socket.ping(), LIMIT_S)
            bodies = [json.dumps({"text": text}).encode() for text in TEXTS[:3]]
            await polling.send(b"".join(publication(running, body) + poll(running) for body in bodies))
            for _ in range(6):
                await polling.answer()
            await streaming.until(b'-6",')
            await streaming.until(b"\n\n\r\n")
            async with contextlib.aclosing(raw.receive("socket_io", running.url, "0")) as stream:  # type: ignore[type-var]
                for _ in range(6):
                    await anext(stream)
                (*_, upgraded) = running.link.connections.values()
                await eventually(lambda: upgraded.upgraded and upgraded.bytes_down > 250)
                for text in TEXTS[:3]:
                    running.log.publish(text)
                    await anext(stream)

    asyncio.run(record())
    with TemporaryDirectory() as folder:
        recording = witness.recording(Path(folder))
    found = {}
    for connection in recording.connections:
        pieces: dict[str, list[tuple[int, bytes]]] = {"up": [], "down": []}
        for piece in witness.saw:
            if piece.connection.number == connection.number:
                pieces[piece.direction].append((piece.at_ns, piece.data))
        exchanges = explain(connection)
        first, last = exchanges[0], exchanges[-1]
        posted = any(exchange.method == "POST" for exchange in exchanges)
        use = "posted" if posted else "upgraded" if first.status == 101 else "polled"
        found[f"{last.path} {use}" if last.path == SOCKET_IO else last.path] = connection, pieces
    return found


def first_bytes(pieces: list[tuple[int, bytes]], size: int) -> Iterator[tuple[int, bytes]]:
    for at_ns, data in pieces:
        if size > 0:
            yield at_ns, data[:size]
        size -= len(data)


def cuts(ends: list[int]) -> st.SearchStrategy[int]:
    """A number of bytes after which a stream is cut: anywhere, and more often close to where something begins."""
    near = st.tuples(st.sampled_from(ends), st.integers(-12, 12)).map(sum)
    return (st.integers(0, ends[-1]) | near).map(lambda size: min(max(size, 0), ends[-1]))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_connection_that_is_cut_anywhere_is_balanced(kind: str, data: st.DataObject) -> None:
    _, pieces = whole()[kind]
    size = {}
    for direction in ("up", "down"):
        ends = [0]
        for _, piece in pieces[direction]:
            ends.append(ends[-1] + len(piece))
        size[direction] = data.draw(cuts(ends), direction)
    check_cut(kind, size["up"], size["down"])


def check_cut(kind: str, up: int, down: int) -> None:
    """Cut after `up` and `down` bytes: balanced, and every message that passed whole is found."""
    connection, pieces = whole()[kind]
    cut = replace(
        connection,
        up=Stream(first_bytes(pieces["up"], up)),
        down=Stream(first_bytes(pieces["down"], down)),
        bytes_up=up,
        bytes_down=down,
    )
    exchanges = balanced(cut)
    found = [message for exchange in exchanges for message in exchange.messages]
    expected, end = [], 0
    for exchange in explain(connection):
        end += sum(size for name, size in sizes(exchange).items() if name.startswith("down"))
        if end <= down:
            expected += exchange.messages
    assert found == (expected if up == connection.bytes_up else expected[: len(found)])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_it_does_not_matter_what_is_written_at_once(kind: str, data: st.DataObject) -> None:
    """Several messages of one turn may be one write, a head and its body too, and one of either may be several."""
    connection, _ = whole()[kind]
    ends = sorted(data.draw(st.sets(st.integers(1, connection.bytes_down - 1), max_size=20)))
    places = itertools.pairwise([0, *ends, connection.bytes_down])
    down = Stream((number, connection.down.data[begin:end]) for number, (begin, end) in enumerate(places))
    up = Stream([(0, connection.up.data)])
    its, expected = balanced(replace(connection, up=up, down=down)), explain(connection)

    def told(exchanges: list[Exchange]) -> list[tuple[object, ...]]:
        return sorted((e.kind, e.status, sorted(e.sizes.items()), [str(c) for c, _ in e.messages]) for e in exchanges)

    assert told(its) == told(expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("off", [-1, 1])
def test_a_byte_that_nobody_can_explain_is_not_let_pass(kind: str, direction: str, off: int) -> None:
    connection, _ = whole()[kind]
    counted = getattr(connection, f"bytes_{direction}")
    wrong = replace(connection, **{f"bytes_{direction}": counted + off})
    why = f"connection {connection.number}: {counted} of {counted + off} bytes {direction} explained"
    with pytest.raises(Unbalanced, match=why):
        explain(wrong)


def test_a_response_in_other_json_than_this_servers_is_not_explained_away() -> None:
    connection, _ = whole()["/short-poll"]

    def spaced(head: re.Match[bytes]) -> bytes:
        return b"content-length: %d%s " % (int(head[1]) + 1, head[2])

    down = re.sub(rb'content-length: (\d+)(\r\n[^{]*\{)(?="messages")', spaced, connection.down.data)
    assert len(down) == connection.bytes_down + 3
    with pytest.raises(ValueError, match="JSON that is not this server's"):
        explain(replace(connection, down=Stream([(1, down)]), bytes_down=len(down)))
