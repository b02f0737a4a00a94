"""What a page is told of its own sockets, and of nobody else's; what it may say; and what happens if it is slow."""

import asyncio
import json
import logging
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app import sessions
from app.message import TEXT_MAX_BYTES, Cursor
from app.sessions import Watcher
from tests.clock import run_jumping
from tests.serving import EVERY_WS, LIMIT_S, Running, Wire, ask, eventually, serving
from tests.watching import Feed, number, watching

pytestmark = pytest.mark.anyio

every_ws = pytest.mark.parametrize("ws", EVERY_WS)

GOODBYE = bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])
"""A WebSocket's close frame, 1000, from a client whose mask is 0."""


def frame(text: bytes) -> bytes:
    """A short text frame from a client whose mask is 0 (RFC 6455, section 5.2)."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


async def polls(running: Running, wire: Wire) -> None:
    for body in (b'{"text": "hello"}', b'{"text": "a"}' + b" " * 70_000):
        await wire.ask("/s/a/p/messages", body=body, method="POST")
        assert (await wire.answer())[0] == 201
        for target in ("/s/a/p/short-poll?after=0", "/s/a/p/long-poll?after=0"):
            await wire.ask(target)
            assert (await wire.answer())[0] == 200
    await wire.ask("/s/a/p/nowhere")
    assert (await wire.answer())[0] == 404


async def a_stream(running: Running, wire: Wire) -> None:
    await wire.ask("/s/a/p/sse")
    await wire.until(b"\n\n\r\n")
    for i in range(5):
        running.sessions.at("a").log.publish(f"{i}" * 3_000)
        await wire.until(b"\n\n\r\n")


async def a_websocket(running: Running, wire: Wire) -> None:
    await wire.upgrade("/s/a/p/websocket")
    await wire.until(b'"}')
    # What looks like a request is none after the upgrade.
    await wire.send(b"".join(frame(b'{"text": "%d"}' % i) for i in range(5)))
    await wire.until(b'"text":"4"')
    await wire.send(GOODBYE)
    await wire.rest()


@pytest.mark.parametrize("http", ["httptools", "h11"])
@every_ws
@pytest.mark.parametrize("delay_ms", [0, 3])
async def test_the_pieces_are_just_what_the_pages_own_sockets_sent_and_received(
    http: Any, ws: Any, delay_ms: float
) -> None:
    async with serving(http=http, ws=ws) as running, watching(running) as feed:
        await feed.set(delay_ms=delay_ms)
        await feed.until("settings")
        start_ms = time.monotonic_ns() / 1e6
        wires = {}
        for talk in (polls, a_stream, a_websocket):
            async with Wire.to(running.port) as wire:
                await eventually(lambda: len(running.link.connections) == 2)
                wires[number(running, wire)] = wire
                await talk(running, wire)
            await eventually(lambda: len(running.link.connections) == 1)
        await feed.up_to_now()
        end_ms = time.monotonic_ns() / 1e6
    assert {piece["connection"] for piece in feed.all("piece")} == wires.keys()
    for connection, wire in wires.items():
        assert feed.bytes(connection, "up") == wire.sent
        assert feed.bytes(connection, "down") == wire.received
        kinds, update = zip(*(kind_and_news for kind_and_news in of_connections(feed, connection)), strict=True)
        assert kinds == (*["piece"] * (len(kinds) - 1), "closed")
        times = [start_ms, *(one["at_ms"] for one in update), end_ms]
        assert times == sorted(times)
        first, *pieces = update[:-1]
        assert delay_ms <= first["delay_ms"] <= 3.001 * delay_ms  # what is left of the handshake
        assert all(piece["delay_ms"] >= delay_ms for piece in pieces)
        assert delay_ms or {piece["delay_ms"] for piece in pieces} == {0}
    times = [piece["at_ms"] for piece in feed.all("piece")]
    assert times == sorted(times)


def of_connections(feed: Feed, connection: int) -> list[tuple[str, Any]]:
    update = [one for told in feed.told for one in told.items() if one[0] in ("piece", "closed")]
    return [(kind, value) for kind, value in update if value["connection"] == connection]


async def test_a_connection_belongs_to_the_page_of_its_latest_request() -> None:
    """One connection, kept alive, used by several pages of two sessions, and by nobody's."""
    bases = {"a p": "/s/a/p", "a q": "/s/a/q", "b p": "/s/b/p", "outside": ""}
    async with (
        serving() as running,
        watching(running, "a", "p") as a_p,
        watching(running, "a", "q") as a_q,
        watching(running, "b", "p") as b_p,
        Wire.to(running.port) as wire,
    ):
        for feed, delay_ms in ((a_p, 1), (b_p, 2)):
            await feed.set(delay_ms=delay_ms)
            await feed.until("settings")
        delays_s = {"a p": 0.001, "a q": 0.001, "b p": 0.002, "outside": 0}
        sent, received = dict.fromkeys(bases, b""), dict.fromkeys(bases, b"")
        for owner in ["outside", *random.Random(1).choices(list(bases), k=40)]:
            sent_before, received_before = len(wire.sent), len(wire.received)
            await wire.ask(f"{bases[owner]}/short-poll")
            assert (await wire.answer())[0] == 200
            sent[owner] += wire.sent[sent_before:]
            received[owner] += wire.received[received_before:]
            connection = running.link.connections[number(running, wire)]
            assert {lane.delay_s for lane in connection.lanes.values()} == {delays_s[owner]}
        for owner, feed in (("a p", a_p), ("a q", a_q), ("b p", b_p)):
            await feed.up_to_now()
            assert feed.bytes(connection.number, "up") == sent[owner] != b""
            assert feed.bytes(connection.number, "down") == received[owner]
            assert {piece["connection"] for piece in feed.all("piece")} == {connection.number}
            assert not feed.all("closed")


async def test_nothing_is_told_of_anything_but_the_pages_own_connections() -> None:
    async with serving() as running, watching(running) as feed, watching(running, "a", "q") as other:
        await other.say({"publish": "hello"})
        for target in ("/", "/watch", "/messages", "/short-poll", "/palette.css", "/s/a/q/short-poll"):
            await ask(running.port, target)
        for target in ("/s/a/P/sse", "/s/a", "/s/a/", "/s/a/p", "/s/A/p/sse", f"/s/{'a' * 25}/p/sse", "/s/-/p/sse"):
            await ask(running.port, target)
        async with Wire.to(running.port) as wire:
            await wire.upgrade("/s/b/p/websocket")
            await wire.until(b'"}')
        # A WebSocket that says something like a request of that page.
        async with Wire.to(running.port) as wire:
            await wire.upgrade()
            await wire.until(b'"}')
            await wire.send(b"GET /s/a/p/sse HTTP/1.1\r\n\r\n")
            await wire.rest()
        await feed.up_to_now()
    assert [kind for told in feed.told for kind in told] == ["hello", "published", "clock"]


# What is told beside the pieces


async def test_hello_comes_first_with_what_was_set() -> None:
    async with serving() as running, watching(running) as feed:
        session = running.sessions.at("a")
        assert feed.told == [{"hello": {"newest": str(session.log.newest), "settings": None}}]
        await feed.set(publish_hz=0.5, delay_ms=12.5)
        settings = {"publish_hz": 0.5, "delay_ms": 12.5, "upgrades": "pass", "fan_out": None}
        assert await feed.until("settings") == settings
        async with watching(running, "a", "q") as later, watching(running, "b", "q") as elsewhere:
            assert later.all("hello") == [{"newest": str(session.log.newest), "settings": settings}]
            assert elsewhere.all("hello")[0]["settings"] is None
            assert not elsewhere.all("hello")[0]["newest"].startswith(session.log.epoch)


async def test_hello_comes_first_however_much_happens_meanwhile() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask("/s/a/p/sse")
        await wire.until(b"\n\n\r\n")
        running.sessions.at("a").settings = sessions.Settings(publish_hz=1)
        log = running.sessions.at("a").log

        async def busy() -> None:
            while True:
                log.publish("news")
                await asyncio.sleep(0)

        reading, publishing = asyncio.create_task(wire.rest()), asyncio.create_task(busy())
        for _ in range(10):
            async with watching(running) as feed:  # which looks for itself
                await feed.until("piece")
        publishing.cancel()
        reading.cancel()


async def test_every_page_is_told_what_any_page_publishes_and_sets() -> None:
    async with serving() as running, watching(running) as feed, watching(running, "a", "q") as other:
        log = running.sessions.at("a").log
        await other.say({"publish": "長輪詢 \u2028"})
        await other.until("published")
        await ask(running.port, "/s/a/q/messages", body=b'{"text": "by request"}', method="POST")
        await other.set(delay_ms=1)
        await other.until("settings")
        await feed.set(delay_ms=2)
        await feed.until("settings")
        for one in (feed, other):
            await one.up_to_now()
            published = [(Cursor.parse(told["cursor"]), told["published_ms"]) for told in one.all("published")]
            kept = log.after(log.oldest).messages
            assert published == [(message.cursor, message.published_ms) for message in kept]
            assert [message.text for message in kept] == ["長輪詢 \u2028", "by request"]
            assert [settings["delay_ms"] for settings in one.all("settings")] == [1, 2]


async def test_a_page_that_joins_after_a_long_log_is_not_told_of_it() -> None:
    async with serving() as running:
        log = running.sessions.at("a").log
        for i in range(900):
            log.publish(str(i))
        async with watching(running) as feed:
            await feed.up_to_now()
            assert not feed.all("published")
            await feed.say({"publish": "from now on"})
            assert await feed.until("published") == {
                "cursor": f"{log.epoch}-901",
                "published_ms": log.after(Cursor(log.epoch, 900)).messages[0].published_ms,
            }


@pytest.mark.parametrize("page_ms", [0, 1, 12.345, 2**53])
async def test_the_servers_clock_comes_with_the_pages_own(page_ms: float) -> None:
    async with serving() as running, watching(running) as feed:
        before_ms = time.monotonic_ns() / 1e6
        await feed.say({"clock": page_ms})
        clock = await feed.until("clock")
        assert clock["page_ms"] == page_ms
        assert before_ms <= clock["server_ms"] <= time.monotonic_ns() / 1e6


async def test_a_session_publishes_at_its_rate_until_told_otherwise() -> None:
    async with serving() as running, watching(running) as feed, watching(running, "b") as elsewhere:
        for hz in (50, 40):
            await feed.set(publish_hz=hz)
            for _ in range(2):
                assert (await feed.until("published"))["cursor"].startswith(
                    feed.all("hello")[0]["newest"].split("-")[0]
                )
        publisher = running.sessions.at("a")._publisher
        await feed.set()
        await feed.until("settings")
        await eventually(lambda: publisher and publisher.cancelled())
        assert not (await elsewhere.up_to_now()).all("published")
        assert running.log.newest.seq == 0


async def test_a_cut_breaks_this_pages_connections_only() -> None:
    targets = ["/s/a/p/sse", "/s/a/p/sse", "/s/a/q/sse", "/s/b/p/sse", "/sse"]
    async with serving() as running, watching(running) as feed, watching(running, "a", "q"):
        wires = [Wire.to(running.port) for _ in targets]
        opened = [await wire.__aenter__() for wire in wires]
        for wire, target in zip(opened, targets, strict=True):
            await wire.ask(target)
            await wire.until(b"\n\n\r\n")
        numbers = [number(running, wire) for wire in opened]
        await feed.say({"cut": True})
        closed = [(await feed.until("closed"))["connection"] for _ in range(2)]
        assert sorted(closed) == numbers[:2]
        assert set(numbers) & running.link.connections.keys() == set(numbers[2:])
        for log in (running.sessions.at("a").log, running.sessions.at("b").log, running.log):
            log.publish("still here")
        for wire in opened[2:]:
            await wire.until(b'"still here"')
        for manager in wires:
            await manager.__aexit__(None, None, None)


# Bad input


async def closed(socket: Any) -> tuple[int, str]:
    """How the server ended it."""
    with pytest.raises(ConnectionClosed) as problem:
        async with asyncio.timeout(LIMIT_S):
            while True:
                await socket.recv()
    assert problem.value.rcvd is not None
    return problem.value.rcvd.code, problem.value.rcvd.reason


@every_ws
@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "the page is 1 to 24 of a-z, 0-9 and (not first) -, not ''"),
        ("session=a", "the page is 1 to 24 of a-z, 0-9 and (not first) -, not ''"),
        ("page=p", "the session is 1 to 24 of a-z, 0-9 and (not first) -, not ''"),
        *(
            (f"session={name}&page=p", "the session is 1 to 24 of a-z, 0-9 and (not first) -, not ")
            for name in ("A", "-a", "a/b", "a" * 25, "%E9%95%B7" * 50, "a%0A", "%00" * 24, "%D9%A3")
        ),
        ("session=a&page=P", "the page is 1 to 24 of a-z, 0-9 and (not first) -, not 'P'"),
        ("session=a&page=p&after=0", "unknown parameter 'after': accepted here is session and page"),
        ("session=a&page=p&page=p", "parameter 'page' is given more than once"),
    ],
)
async def test_a_bad_session_or_page_is_refused_with_what_is_accepted(
    query: str, why: str, ws: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(ws=ws) as running:
        async with connect(f"ws://{running.host}/watch?{query}", proxy=None) as socket:
            code, reason = await closed(socket)
        assert code == 1008
        assert reason.startswith(why)
        assert not running.sessions._sessions
    assert not caplog.records


COMMANDS = 'say {"clock": ms}, {"settings": {...}}, {"publish": "..."}, {"cut": true} or {"crowd": {...}}'
AN_OBJECT = "settings are an object with publish_hz, delay_ms and upgrades, and perhaps fan_out"
A_CROWD = "a crowd is an object with readers and transport, or null for none"


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("said", "why"),
    [
        *(
            (text, COMMANDS)
            for text in ("", "hello", "[]", "7", "null", "{}", '{"clock": 1, "cut": true}', "[" * 50_000)
        ),
        *((text, COMMANDS) for text in (b"\x00\xff", b'{"clock": 1}', '{"say": 1}', '{"": null}', '{"clock": 1')),
        *((f'{{"clock": {value}}}', COMMANDS) for value in ("NaN", "Infinity", "1e999", "-1", "true", '"1"', "null")),
        *((f'{{"cut": {value}}}', COMMANDS) for value in ("false", "1", "null", '"p"')),
        *((f'{{"publish": {value}}}', COMMANDS) for value in ("7", "null", "[]", '{"text": "a"}')),
        ('{"publish": ""}', f"the text has 0 bytes: 1 to {TEXT_MAX_BYTES} are accepted"),
        (json.dumps({"publish": "a" * (TEXT_MAX_BYTES + 1)}), f"1 to {TEXT_MAX_BYTES} are accepted"),
        (r'{"publish": "\udc00"}', "the text is not valid Unicode"),
        *((f'{{"settings": {value}}}', AN_OBJECT) for value in ("null", "7", "[]", "{}", '{"publish_hz": 1}')),
        ('{"settings": {"publish_hz": 1, "delay_ms": 1, "upgrades": "pass", "more": 1}}', AN_OBJECT),
        *(
            (
                f'{{"settings": {{"publish_hz": {value}, "delay_ms": 0, "upgrades": "pass"}}}}',
                "give a number from 0 to 50",
            )
            for value in (
                "-0.1",
                "50.1",
                "NaN",
                "Infinity",
                "-Infinity",
                "1e999",
                "9" * 400,
                "true",
                "null",
                '"1"',
                "[]",
            )
        ),
        *(
            (
                f'{{"settings": {{"publish_hz": 0, "delay_ms": {value}, "upgrades": "pass"}}}}',
                "give a number from 0 to 2000",
            )
            for value in ("-1", "2000.5", "NaN", "Infinity", "false", "null", '"1"')
        ),
        *(
            (
                f'{{"settings": {{"publish_hz": 0, "delay_ms": 0, "upgrades": {value}}}}}',
                "give one of pass, refuse, cut",
            )
            for value in ("null", "true", "[]", "{}", '""', '"Pass"')
        ),
        *(
            (
                f'{{"settings": {{"publish_hz": 0, "delay_ms": 0, "upgrades": "pass", "fan_out": {value}}}}}',
                "give one of tasks, hub, or null",
            )
            for value in ("true", "[]", "{}", '""', '"Hub"')
        ),
        *((f'{{"crowd": {value}}}', A_CROWD) for value in ("7", "[]", "{}", '"200"', '{"readers": 10}')),
        ('{"crowd": {"readers": 10, "transport": "sse", "host": "elsewhere.example"}}', A_CROWD),
        *(
            (f'{{"crowd": {{"readers": {value}, "transport": "sse"}}}}', "give 1 to 200")
            for value in ("0", "-1", "201", "10.0", "1e1", "NaN", "true", "null", '"10"', "[]")
        ),
        *(
            (f'{{"crowd": {{"readers": 10, "transport": {value}}}}}', "give one of sse, websocket")
            for value in ("null", "[]", "{}", '""', '"short_poll"', '"../sse"')
        ),
    ],
    ids=lambda value: repr(value[:40]),
)
async def test_a_bad_command_is_refused_with_what_is_accepted_and_the_session_continues(
    said: str | bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as running, watching(running) as bad, watching(running, "a", "q") as good:
        await bad.socket.send(said)
        code, reason = await closed(bad.socket)
        assert code == 1008
        assert why in reason
        await good.up_to_now()
        assert [kind for told in good.told for kind in told] == ["hello", "clock"]
        session = running.sessions.at("a")
        assert (session.settings, session.log.newest.seq) == (None, 0)
        await good.say({"publish": "and on it goes"})
        await good.until("published")
    assert not caplog.records


@pytest.mark.parametrize(
    "said",
    ['{"clock": %s}', '{"settings": {"publish_hz": 0, "delay_ms": %s, "upgrades": "pass"}}', '{"publish": %s}', "%s"],
)
async def test_deep_nesting_is_bad_input_and_no_failure(said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Somewhere here is what can just be read, but not written again."""
    async with serving() as running:
        for levels in range(880, 1_000, 4):
            async with connect(f"ws://{running.host}/watch?session=a&page=p", proxy=None) as socket:
                await socket.send(said % deep(levels))
                assert (await closed(socket))[0] == 1008
    assert not caplog.records


async def test_a_page_that_leaves_in_the_middle_of_everything_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        for _ in range(5):
            async with Wire.to(running.port) as wire:
                await wire.upgrade("/watch?session=a&page=p")
                await wire.until(b"}}")
                await wire.send(
                    frame(b'{"settings": {"publish_hz": 50, "delay_ms": 0, "upgrades": "pass"}}') * 20
                    + frame(b"nonsense")
                )
                wire.reset()
        await eventually(lambda: not running.link.connections and not running.server.server_state.tasks)
        assert not running.sessions.at("a").watchers
    assert not caplog.records


async def test_a_page_that_leaves_leaves_nothing_behind() -> None:
    async with serving() as running:
        before = asyncio.all_tasks()
        async with watching(running), watching(running, "a", "q"), watching(running, "b"):
            session = running.sessions.at("a")
            assert len(session.watchers) == 2
        await eventually(lambda: not running.link.connections and asyncio.all_tasks() == before)
        assert not session.watchers


# A page that is slow


@given(
    room=st.integers(0, 1_000),
    # What is told: a piece of that size, or something else (0); None: the page takes all that was told.
    steps=st.lists(st.none() | st.tuples(st.sampled_from(["up", "down"]), st.integers(0, 99)), max_size=40),
)
def test_what_has_no_room_is_lost_and_counted(room: int, steps: list[tuple[str, int] | None]) -> None:
    async def scenario() -> None:
        watcher, since = Watcher("p"), list[Any]()
        for count, step in enumerate([*steps, ("up", 0), None]):
            if step:
                direction, size = step
                piece = {"piece": {"direction": direction, "size": size, "count": count}}
                since.append(piece if size else {"clock": count})
                watcher.tell(since[-1])
            elif since:
                told = await watcher.told()
                *update, last = map(json.loads, told)
                loss = last.get("lost")
                update += [] if loss else [last]
                lost = since[len(update) :]
                assert [*update, *lost] == since
                assert bool(loss) == bool(lost)
                assert sum(map(len, told[: len(update) - 1])) <= room  # the last of them may stick out
                if loss:
                    assert sum(map(len, told[: len(update)])) > room
                    assert loss == {"things": len(lost), "up": size_of(lost, "up"), "down": size_of(lost, "down")}
                since.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "FEED_MAX_CHARS", room)
        run_jumping(scenario())


def size_of(things: list[Any], direction: str) -> int:
    return sum(one["piece"]["size"] for one in things if "piece" in one and one["piece"]["direction"] == direction)


@every_ws
async def test_a_slow_page_is_told_how_much_it_lost_and_what_comes_next(
    ws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "FEED_MAX_CHARS", 300_000)
    async with serving(ws=ws) as running, watching(running) as slow, Wire.to(running.port) as wire:
        await wire.ask("/s/a/p/sse")
        await wire.until(b"\n\n\r\n")
        session = running.sessions.at("a")
        (watcher,) = session.watchers

        async def more() -> None:
            await wire.until(str(session.log.publish("a" * 50_000).cursor).encode())
            await wire.until(b"\n\n\r\n")

        while not watcher._lost["things"]:  # nobody reads: its client, the network and the feed are full in the end
            await more()
        for _ in range(10):
            await more()
        assert watcher._chars < 300_000 + 100_000
        lost = await slow.until("lost")
        before = slow.bytes(number(running, wire), "down")
        assert wire.received.startswith(before)
        await more()
        await slow.up_to_now()
        after = slow.bytes(number(running, wire), "down")[len(before) :]
        assert wire.received.endswith(after)
        assert b"a" * 50_000 in after
        assert len(before) + lost["down"] + len(after) == len(wire.received)
        assert lost["up"] == 0
        assert slow.bytes(number(running, wire), "up") == wire.sent
        assert len(slow.all("lost")) == 1
        times = [piece["at_ms"] for piece in slow.all("piece")]
        assert times == sorted(times)


# The end


@pytest.mark.parametrize("http", ["httptools", "h11"])
@every_ws
async def test_shutdown_is_clean_while_sessions_are_watched_and_read(
    http: Any, ws: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(http=http, ws=ws) as running, watching(running) as feed, watching(running, "b") as slow:
        await slow.set(publish_hz=50, delay_ms=2)
        await slow.until("settings")
        wires = [Wire.to(running.port) for _ in range(4)]
        polling, idle, streaming, socket = [await wire.__aenter__() for wire in wires]
        await polling.ask("/s/a/p/long-poll?hold=60")
        await idle.ask("/s/b/p/short-poll")
        await idle.answer()
        await streaming.ask("/s/a/p/sse")
        await streaming.until(b"\n\n\r\n")
        await socket.upgrade("/s/a/p/websocket")
        await socket.until(b'"}')
        await eventually(lambda: all(c.bytes_up for c in running.link.connections.values()))
        epoch = running.sessions.at("a").log.epoch
        running.server.should_exit = True
        status, body = await polling.answer()
        assert (status, json.loads(body)) == (200, {"messages": [], "cursor": f"{epoch}-0"})
        assert await streaming.rest() == b"0\r\n\r\n"
        assert (await socket.rest())[:4] in (b"\x88\x02\x03\xf4", b"\x88\x02\x03\xe9")  # close, 1012 or 1001
        assert await polling.rest() == await idle.rest() == b""
        assert (await closed(feed.socket))[0] in (1001, 1012)
        assert (await closed(slow.socket))[0] in (1001, 1012)
        for wire in wires:
            await wire.__aexit__(None, None, None)
    assert not running.link.connections
    assert not running.server.server_state.tasks
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_page_that_does_not_read_does_not_hold_up_the_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running, Wire.to(running.port) as watch, Wire.to(running.port) as wire:
        await watch.upgrade("/watch?session=a&page=p")
        await watch.until(b"}}")
        watch.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.ask("/s/a/p/sse")
        await wire.until(b"\n\n\r\n")
        log = running.sessions.at("a").log
        (watcher,) = running.sessions.at("a").watchers
        while watcher._chars < 300_000:
            await wire.until(str(log.publish("a" * 50_000).cursor).encode())
            await wire.until(b"\n\n\r\n")
        before = asyncio.all_tasks()
        running.server.should_exit = True
        await eventually(lambda: not running.link.connections and len(asyncio.all_tasks()) < len(before))
    assert not running.server.server_state.tasks
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
