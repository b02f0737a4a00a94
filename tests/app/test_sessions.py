"""Sessions: every transport in each of them, nothing of one in another, and how they begin and end."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app import sessions
from app.message import Missed
from app.sessions import Full, Sessions, Settings
from clients import CLIENTS, short_poll
from tests.clock import run_jumping
from tests.reading import next_update, position, reading
from tests.serving import HTTP_TRANSPORTS, LIMIT_S, TRANSPORTS, Running, Wire, ask, eventually, path, serving
from tests.watching import number, watching

pytestmark = pytest.mark.anyio

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)

RECEIVE: dict[str, Callable[..., Any]] = {name: client.receive for name, client in CLIENTS.items()}
RECEIVE["short_poll"] = partial(short_poll.receive, pause_s=0.01)


@contextlib.asynccontextmanager
async def asking(running: Running, transport: str, base: str = "/s/a/p") -> AsyncIterator[Wire]:
    """A connection on which that transport has sent a request without a cursor, which has reached the server."""
    async with Wire.to(running.port) as wire:
        await wire.read(transport, base=base)
        await eventually(
            lambda: [c for c in running.link.connections.values() if c.client_port == wire.port and c.bytes_up]
        )
        yield wire


# Every transport in every session


@every_transport
async def test_every_transport_works_in_a_session(transport: str) -> None:
    async with serving() as running, reading(transport, f"{running.url}/s/a/p") as told:
        log = running.sessions.at("a").log
        assert await position(told) == log.newest
        status, body = await ask(running.port, "/s/a/q/messages", body=b'{"text": "hello"}', method="POST")
        assert status == 201
        assert await next_update(told, 1) == [json.loads(body)]
        published = [log.publish(str(i)) for i in range(3)]
        assert await next_update(told, 3) == [json.loads(message.json) for message in published]


@every_transport
async def test_sessions_do_not_see_each_others_messages(transport: str) -> None:
    bases = ("/s/a/p", "/s/b/p", "")
    async with serving() as running:
        for base in bases:
            await ask(running.port, f"{base}/messages", body=json.dumps({"text": f"to {base}"}).encode(), method="POST")
        for base in bases:
            async with reading(transport, running.url + base, "0") as told:
                (only,) = await next_update(told, 1)
                assert only["text"] == f"to {base}"
                await ask(running.port, f"{base}/messages", body=b'{"text": "next"}', method="POST")
                (only,) = await next_update(told, 1)
                assert only["text"] == "next"
        assert len({log.epoch for log in (running.log, *(running.sessions.at(name).log for name in "ab"))}) == 3


@every_transport
async def test_the_projects_clients_reconnect_to_their_session(transport: str) -> None:
    async with serving() as running, watching(running) as feed:
        log = running.sessions.at("a").log
        await feed.set(delay_ms=1)
        await feed.until("settings")
        told = RECEIVE[transport](f"{running.url}/s/a/p", "0")
        async with contextlib.aclosing(told), asyncio.timeout(LIMIT_S):
            published = [log.publish("first")]
            assert await anext(told) == published[0]
            for i in range(2):
                await feed.say({"cut": True})
                await feed.until("closed")
                published = [log.publish(f"{i} a"), log.publish(f"{i} b")]
                assert [await anext(told), await anext(told)] == published


@pytest.mark.parametrize(
    "target", ["/s/a/p/nowhere", "/s/a/p/watch", "/s/A/p/sse", f"/s/a/{'p' * 25}/sse", "/s/-a/p/sse"]
)
async def test_what_is_not_there_is_refused_in_json(target: str) -> None:
    async with serving() as running:
        status, body = await ask(running.port, target)
        assert (status, json.loads(body)) == (404, {"error": "Not Found"})
        with pytest.raises(InvalidStatus, match="HTTP 403"):
            await connect(f"ws://{running.host}{target}", proxy=None)


async def test_bad_input_is_refused_as_everywhere() -> None:
    async with serving() as running:
        for method, target, body, status, why in (
            ("GET", "short-poll?after=7", b"", 400, "'7' is not a cursor"),
            ("GET", "sse?afer=0", b"", 400, "unknown parameter 'afer': accepted here is after"),
            ("GET", "messages", b"", 405, "Method Not Allowed"),
            ("HEAD", "long-poll", b"", 405, ""),
            ("POST", "messages", b"hello", 400, 'send {"text": "..."}'),
            ("POST", "messages", b" " * 200_000, 413, "the body is larger"),
        ):
            async with Wire.to(running.port) as wire:
                await wire.ask(f"/s/a/p/{target}", body=body, method=method)
                if method == "HEAD":
                    assert int((await wire.until(b"\r\n\r\n")).split()[1]) == status
                else:
                    answered, said = await wire.answer()
                    assert answered == status
                    assert why in json.loads(said)["error"]


# The delay


def delays_s(running: Running, wire: Wire) -> set[float]:
    return {lane.delay_s for lane in running.link.connections[number(running, wire)].lanes.values()}


async def test_a_delay_belongs_to_one_session_and_all_its_pages() -> None:
    async with serving(delay_s=0.001) as running, watching(running) as feed, contextlib.AsyncExitStack() as stack:
        inside = [await stack.enter_async_context(asking(running, "sse", f"/s/a/{page}")) for page in "pq"]
        outside = [await stack.enter_async_context(asking(running, "sse", base)) for base in ("/s/b/p", "")]
        for wire in (*inside, *outside):
            await wire.until(b"\n\n\r\n")
            assert delays_s(running, wire) == {0.001}  # the link's own, as long as nobody has set another
        for delay_ms in (20, 0):
            await feed.set(delay_ms=delay_ms)
            await feed.until("settings")
            inside.append(await stack.enter_async_context(asking(running, "long_poll", "/s/a/r")))
            outside.append(await stack.enter_async_context(asking(running, "long_poll", "/s/b/r")))
            await eventually(lambda: all(delays_s(running, wire) == {delay_ms / 1e3} for wire in inside))  # noqa: B023
            for wire in outside:
                await eventually(lambda: delays_s(running, wire) == {0.001})  # noqa: B023  # its handshake has passed


@every_transport
async def test_a_page_sees_the_delay_that_it_has_set(transport: str) -> None:
    async with serving() as running, watching(running) as feed:
        await feed.set(delay_ms=20)
        await feed.until("settings")
        clock = asyncio.get_running_loop().time
        start = clock()
        async with reading(transport, f"{running.url}/s/a/p", "0") as told:
            running.sessions.at("a").log.publish("hello")
            await next_update(told, 1)
            assert clock() - start >= 0.079  # the handshake, the request and the response
        await feed.up_to_now()
        assert all(piece["delay_ms"] >= 20 for piece in feed.all("piece"))


# Where WebSocket does not get through


@pytest.mark.parametrize("upgrades", ["refuse", "cut"])
async def test_a_session_in_which_no_websocket_gets_through(upgrades: str) -> None:
    async with serving() as running, watching(running) as feed, Wire.to(running.port) as wire:
        async with Wire.to(running.port) as before, Wire.to(running.port) as elsewhere:
            await before.upgrade("/s/a/p/websocket")
            await elsewhere.upgrade("/s/b/p/websocket")
            for socket in (before, elsewhere):
                await socket.until(b"cursor")
            await feed.set(upgrades=upgrades)
            await before.rest()  # those that are open are cut
            running.sessions.at("b").log.publish("elsewhere it goes on")
            await elsewhere.until(b"elsewhere it goes on")
        await wire.ask("/s/a/q/short-poll")  # only WebSocket is concerned
        assert (await wire.answer())[0] == 200
        await wire.upgrade("/s/a/p/websocket")
        answer = await wire.rest()
        assert answer.startswith(b"HTTP/1.1 400 ") if upgrades == "refuse" else answer == b""
        await feed.up_to_now()  # the feed is a WebSocket, and of no session
        async with Wire.to(running.port) as again:
            await feed.set()
            await feed.until("settings")
            await again.upgrade("/s/a/p/websocket")
            await again.until(b"cursor")


async def test_a_connection_that_leaves_such_a_session_is_as_it_was() -> None:
    async with serving() as running, watching(running) as feed, Wire.to(running.port) as wire:
        await feed.set(upgrades="refuse")
        await feed.until("settings")
        await wire.ask("/s/a/p/short-poll")
        await wire.answer()
        await wire.upgrade("/s/b/p/websocket")
        await wire.until(b"cursor")


# How they begin and end


def test_a_session_ends_when_nobody_has_watched_it_for_a_minute() -> None:
    async def scenario() -> None:
        all_of_them = Sessions()
        unwatched = all_of_them.at("unwatched")
        with all_of_them.watched("a", "p") as (session, _):
            await asyncio.sleep(1_000)
            assert unwatched.log.closed
            with all_of_them.watched("a", "q") as (same, _):
                assert same is session
            await asyncio.sleep(1_000)  # one page is enough
            assert not session.log.closed
        for _ in range(3):
            await asyncio.sleep(sessions.UNWATCHED_S - 1)
            with all_of_them.watched("a", "p") as (same, _):  # back in time
                assert same is session
        await asyncio.sleep(sessions.UNWATCHED_S - 1)
        assert all_of_them.at("a") is session  # being named does not keep it
        assert not session.log.closed
        await asyncio.sleep(2)
        assert session.log.closed
        with all_of_them.watched("a", "p") as (another, _):
            assert another.log.epoch != session.log.epoch
            assert (another.settings, another.log.newest.seq) == (None, 0)

    run_jumping(scenario())


def test_a_session_that_has_ended_publishes_no_more() -> None:
    async def scenario() -> None:
        all_of_them = Sessions()
        with all_of_them.watched("a", "p") as (session, _):
            session.set(Settings(publish_hz=10))
            await asyncio.sleep(100)
            assert session.log.newest.seq > 0
        await asyncio.sleep(sessions.UNWATCHED_S + 1)
        last = session.log.newest
        session.set(Settings(publish_hz=20))
        await asyncio.sleep(100)
        assert session.log.newest == last
        assert len(asyncio.all_tasks()) == 1

    run_jumping(scenario())


def test_when_the_server_stops_all_sessions_end_and_none_starts() -> None:
    async def scenario() -> None:
        all_of_them = Sessions()
        unwatched = all_of_them.at("a")
        with all_of_them.watched("b", "p") as (session, _):
            all_of_them.close()
            assert unwatched.log.closed and session.log.closed
        for name in "abc":
            with pytest.raises(Full, match="the server is shutting down"):
                all_of_them.at(name)
        await asyncio.sleep(1_000)

    run_jumping(scenario())


@every_transport
async def test_the_end_of_a_session_is_the_end_of_its_streams_and_a_reader_is_told_of_the_next(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "UNWATCHED_S", 0.01)
    async with serving() as running, contextlib.AsyncExitStack() as watched:
        await watched.enter_async_context(watching(running))
        session = running.sessions.at("a")
        told = RECEIVE[transport](f"{running.url}/s/a/p", "0")
        async with contextlib.aclosing(told), asyncio.timeout(LIMIT_S):
            message = session.log.publish("of the old epoch")
            assert await anext(told) == message
            async with asking(running, "sse") as streaming, asking(running, "long_poll") as held:
                await streaming.until(b"\n\n\r\n")
                await watched.aclose()
                assert await streaming.until(b"0\r\n\r\n") == b"0\r\n\r\n"
                status, body = await held.answer()
                assert (status, json.loads(body)["messages"]) == (200, [])
            assert session.log.closed
            async with watching(running) as feed:
                assert not feed.all("hello")[0]["newest"].startswith(session.log.epoch)
                log = running.sessions.at("a").log
                message = log.publish("of the new epoch")
                assert await anext(told) == Missed("restarted", log.oldest)
                assert await anext(told) == message


async def test_a_connection_outlives_its_session_and_is_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "UNWATCHED_S", 0.01)
    async with serving() as running, Wire.to(running.port) as wire:
        async with watching(running) as feed:
            await feed.set(delay_ms=5)
            await feed.until("settings")
            session = running.sessions.at("a")
            await wire.ask("/s/a/p/short-poll")
            await wire.answer()
            assert delays_s(running, wire) == {0.005}
        await eventually(lambda: session.log.closed)
        assert delays_s(running, wire) == {0}
        async with watching(running) as feed:
            sent, received = len(wire.sent), len(wire.received)
            await wire.ask("/s/a/p/short-poll")
            await wire.answer()
            await feed.up_to_now()
            assert feed.bytes(number(running, wire), "up") == wire.sent[sent:]
            assert feed.bytes(number(running, wire), "down") == wire.received[received:]


@every_transport
async def test_a_connection_older_than_its_session_is_claimed(transport: str) -> None:
    """After a night, a page's own requests may come before it watches again."""
    async with serving() as running, asking(running, transport) as wire:
        await eventually(lambda: "a" in running.sessions._sessions)
        async with watching(running) as feed:
            await feed.say({"cut": True})
            assert await feed.until("closed")
            with contextlib.suppress(ConnectionResetError):
                await wire.rest()


# The cap


async def test_sessions_are_limited(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 2)
    why = "2 sessions are open, which is the limit: try again in a minute"
    async with serving() as running, watching(running, "a"):
        await ask(running.port, "/s/b/p/short-poll")
        for transport in HTTP_TRANSPORTS:
            async with Wire.to(running.port) as wire:
                await wire.ask(f"/s/c/p{path(transport)}")
                status, body = await wire.answer()
                assert (status, json.loads(body)) == (503, {"error": why})
                await wire.ask(f"/s/b/p{path('short_poll')}")  # the connection is as good as before
                assert (await wire.answer())[0] == 200
        status, body = await ask(running.port, "/s/c/p/messages", body=b'{"text": "a"}', method="POST")
        assert (status, json.loads(body)) == (503, {"error": why})
        with pytest.raises(InvalidStatus, match="HTTP 503") as refusal:
            await connect(f"ws://{running.host}/s/c/p/websocket", proxy=None)
        assert json.loads(refusal.value.response.body) == {"error": why}
        async with connect(f"ws://{running.host}/watch?session=c&page=p", proxy=None) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, why)
        async with watching(running, "b"), watching(running, "a", "q"):  # these are there
            assert set(running.sessions._sessions) == {"a", "b"}
    # uvicorn's sans-I/O implementation says this of every refused WebSocket (Kludex/uvicorn, pull request 3138).
    spurious = "ASGI callable returned without completing handshake."
    assert not [record for record in caplog.records if record.getMessage() != spurious]


async def test_watching_pages_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "WATCHERS_MAX", 2)
    async with serving() as running, watching(running, "a"):
        async with watching(running, "b"), connect(f"ws://{running.host}/watch?session=a&page=q", proxy=None) as third:
            with pytest.raises(ConnectionClosed) as closed:
                await third.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
            assert closed.value.rcvd.reason == "2 pages are watching, which is the limit: close one"
        await eventually(lambda: not running.sessions.at("b").watchers)
        async with watching(running, "a", "q"):
            pass


async def test_a_session_that_ends_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 1)
    monkeypatch.setattr(sessions, "UNWATCHED_S", 0.01)
    async with serving() as running:
        async with watching(running, "a"):
            session = running.sessions.at("a")
            assert (await ask(running.port, "/s/b/p/short-poll"))[0] == 503
        await eventually(lambda: session.log.closed)
        async with watching(running, "b"):
            assert (await ask(running.port, "/s/a/p/short-poll"))[0] == 503
