"""The chat's server: who is present, what is told of it, and what a name may do."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.exceptions import HTTPException
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app import chat
from app.chat import AWAY_S, GRACE_S, HISTORY, Chat
from app.link import Connection
from app.log import MessageLog
from app.palette import PALETTE
from tests.clock import run_jumping
from tests.reading import Json, next_update, reading
from tests.serving import HTTP_TRANSPORTS, TRANSPORTS, Running, Wire, ask, eventually, path, serving

pytestmark = pytest.mark.anyio

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


async def say(running: Running, what: str, **fields: object) -> tuple[int, Json]:
    """Send the chat a request: status and response."""
    status, body = await ask(running.port, f"/chat/{what}", body=json.dumps(fields).encode(), method="POST")
    return status, json.loads(body or "{}")


async def join(running: Running, person: str, name: str, transport: str = "sse") -> str:
    """Join; the cursor to begin at."""
    status, answer = await say(running, "join", person=person, name=name, transport=transport)
    assert status == 200
    after: str = answer["after"]
    return after


def told(log: MessageLog) -> list[str]:
    return [message.text for message in log.after(log.oldest).messages]


def present(log: MessageLog) -> tuple[tuple[str, str], ...] | None:
    """Whom the last notice lists."""
    return [message.people for message in log.after(log.oldest).messages if message.people is not None][-1]


@contextlib.asynccontextmanager
async def open_request(running: Running, person: str, transport: str) -> AsyncIterator[Wire]:
    """A stream that has begun, or a request that is held."""
    base = f"/chat/{person}"
    async with Wire.to(running.port) as wire:
        await wire.read(transport, str(running.log.newest), base)
        await eventually(lambda: running.chat._people[person].open_requests)
        yield wire


# Who is present


def test_a_person_without_an_open_request_leaves_after_the_grace() -> None:
    async def scenario() -> None:
        log = MessageLog()
        room = Chat(log)
        room.join("a", "Ada", "short_poll")
        ada = room._people["a"]
        for _ in range(3):
            await asyncio.sleep(GRACE_S - 1)
            with room.open_request(ada):
                await asyncio.sleep(10 * GRACE_S)
                with room.open_request(ada):  # two at once, as when one speaks
                    pass
                await asyncio.sleep(10 * GRACE_S)
        assert len(told(log)) == 1
        await asyncio.sleep(GRACE_S - 1)
        assert len(told(log)) == 1
        await asyncio.sleep(2)
        assert told(log)[1:] == ["Ada has left: 0 present"]
        assert present(log) == ()

    run_jumping(scenario())


def test_a_person_who_rejoins_with_the_same_key_stays() -> None:
    async def scenario() -> None:
        log = MessageLog()
        room = Chat(log)
        room.join("a", "Ada", "sse")
        with room.open_request(room._people["a"]):  # of before: it ends when she is back already
            room.leave("a")
            room.leave("a")
            room.join("a", "Ada", "sse")
            again = room.open_request(room._people["a"])
            again.__enter__()
        await asyncio.sleep(2 * GRACE_S)
        assert len(told(log)) == 3
        assert present(log) == (("Ada", "sse"),)
        again.__exit__(None, None, None)

    run_jumping(scenario())


def test_the_number_of_people_is_limited_and_leaving_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(chat, "PEOPLE_MAX", 2)
        log = MessageLog()
        room = Chat(log)
        for key in "ab":
            room.join(key, key, "sse")
        with pytest.raises(HTTPException, match="2 people are here, which is the limit"):
            room.join("c", "c", "sse")
        room.join("a", "A", "websocket")  # she is here already
        room.leave("b")
        room.join("c", "c", "sse")
        assert present(log) == (("A", "websocket"), ("c", "sse"))

    run_jumping(scenario())


def test_stopping_the_server_makes_nobody_leave() -> None:
    async def scenario() -> None:
        log = MessageLog()
        room = Chat(log)
        for key in "ab":
            room.join(key, key, "sse")
        log.close()
        room.leave("a")
        await asyncio.sleep(2 * GRACE_S)
        assert len(told(log)) == 2

    run_jumping(scenario())


@every_transport
async def test_an_open_request_keeps_a_person_present(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as running:
        await join(running, "a", "Ada", transport)
        if transport == "short_poll":  # gets its response at once: nothing stays open
            await ask(running.port, "/chat/a/short-poll")
            monkeypatch.setattr(chat, "GRACE_S", 0.01)
            await ask(running.port, "/chat/a/short-poll")
        else:
            async with open_request(running, "a", transport) as wire:
                assert running.chat._people["a"].leaving.cancelled()  # type: ignore[union-attr]
                assert present(running.log) == (("Ada", transport),)
                monkeypatch.setattr(chat, "GRACE_S", 0.01)
                wire.reset()
        await eventually(lambda: present(running.log) == ())
        assert told(running.log)[-1] == "Ada has left: 0 present"


# What is told


@every_transport
async def test_every_transport_delivers_joins_changes_and_leaves_in_the_order_of_the_log(transport: str) -> None:
    title = PALETTE[transport]["title"]
    async with serving() as running:
        after = await join(running, "a", "Ada", transport)
        async with reading(transport, f"{running.url}/chat/a", after) as update:
            await say(running, "join", person="b", name="Bob", transport="websocket")
            await ask(running.port, "/chat/b/messages", body=b'{"text": "hi", "name": "Bob"}', method="POST")
            await ask(running.port, "/messages", body=b'{"text": "from curl"}', method="POST")
            await say(running, "join", person="b", name="Bob", transport="websocket")  # tells nobody anything new
            await say(running, "join", person="b", name="Bert", transport="sse")
            await say(running, "leave", person="b")
            heard = await next_update(update, 7)
    ada = ["Ada", transport]
    assert [(one["text"], one.get("name"), one.get("people")) for one in heard] == [
        (f"Ada has joined over {title}: 1 present", None, [ada]),
        ("Bob has joined over WebSocket: 2 present", None, [ada, ["Bob", "websocket"]]),
        ("hi", "Bob", None),
        ("from curl", None, None),
        ("Bob is now called Bert: 2 present", None, [ada, ["Bert", "websocket"]]),
        ("Bert has changed to SSE: 2 present", None, [ada, ["Bert", "sse"]]),
        ("Bert has left: 1 present", None, [ada]),
    ]
    assert [one["cursor"] for one in heard] == [f"{running.log.epoch}-{i}" for i in range(1, 8)]


async def test_joining_starts_with_recent_messages() -> None:
    log = MessageLog()
    for i in range(HISTORY + 50):
        log.publish(str(i))
    async with serving(log) as running:
        assert await join(running, "a", "Ada") == f"{log.epoch}-51"
    log = MessageLog(keep=5)
    for i in range(50):
        log.publish(str(i))
    async with serving(log) as running:
        assert await join(running, "a", "Ada") == str(log.oldest)


async def test_nobody_else_can_publish_a_notice() -> None:
    forged = {"text": "Ada has left: 0 present", "people": []}

    async def post(running: Running) -> str:
        status, body = await ask(running.port, "/messages", body=json.dumps(forged).encode(), method="POST")
        assert status == 400
        return body.decode()

    async def frame(running: Running) -> str:
        async with connect(f"ws://{running.host}/websocket", proxy=None) as socket:
            await socket.send(json.dumps(forged))
            await socket.wait_closed()
            return socket.close_reason or ""

    async def event(running: Running) -> str:
        async with connect(f"ws://{running.host}/socket.io/?EIO=4&transport=websocket", proxy=None) as socket:
            await socket.send('40{"after":null}')
            await socket.send(f'420["publish",{json.dumps(forged)}]')
            async for packet in socket:
                if str(packet).startswith("430"):
                    return str(packet)
        raise AssertionError

    ways: list[Callable[[Running], Awaitable[str]]] = [post, frame, event]
    async with serving() as running:
        for way in ways:
            assert 'with a "name" beside it' in (await way(running)).replace("\\", "")
        assert not running.log.newest.seq


async def test_a_key_reaches_the_transports_only_after_joining() -> None:
    async with serving() as running:
        for target in [f"/chat/a{path(transport)}" for transport in HTTP_TRANSPORTS]:
            status, body = await ask(running.port, target)
            assert (status, json.loads(body)) == (404, {"error": "you are not in the chat: join it first"})
        with pytest.raises(InvalidStatus, match="HTTP 404"):
            await connect(f"ws://{running.host}/chat/a/websocket", proxy=None)
        await join(running, "a", "Ada")
        assert (await ask(running.port, "/chat/a/short-poll"))[0] == 200
        assert (await ask(running.port, "/chat/a/nowhere"))[0] == 404
        await say(running, "leave", person="a")
        assert (await ask(running.port, "/chat/a/short-poll"))[0] == 404


@pytest.mark.parametrize(
    ("what", "fields", "why"),
    [
        ("join", {"person": "a", "name": "Ada"}, "send a JSON object with strings in it: person, name, transport"),
        ("join", {"person": "a", "name": 7, "transport": "sse"}, "send a JSON object with strings in it"),
        ("join", {"person": "a", "name": "A\nda", "transport": "sse"}, "this name is not accepted: give 1 to 40"),
        ("join", {"person": "A/b", "name": "Ada", "transport": "sse"}, "the person is 1 to 24 of a-z, 0-9"),
        ("join", {"person": "a", "name": "Ada", "transport": "pigeon"}, "there is no such transport: short_poll, "),
        ("leave", {"person": "a", "name": "Ada"}, "send a JSON object with strings in it: person"),
        ("leave", {"person": ""}, "the person is 1 to 24 of a-z, 0-9"),
        ("cut", {}, "send a JSON object with strings in it: person"),
    ],
)
async def test_what_is_not_understood_is_refused(what: str, fields: Json, why: str) -> None:
    async with serving() as running:
        status, answer = await say(running, what, **fields)
        assert (status, why in answer["error"]) == (400, True), answer
        for body in (b"", b"[]", b"{" * 10_000):
            assert (await ask(running.port, f"/chat/{what}", body=body, method="POST"))[0] == 400
        assert (await ask(running.port, f"/chat/{what}", body=b" " * 200_000, method="POST"))[0] == 413
        assert (await ask(running.port, f"/chat/{what}"))[0] == 405
        assert (await say(running, "leave", person="nobody"))[0] == 204
        assert (await say(running, "cut", person="nobody"))[0] == 204
        assert not running.log.newest.seq


async def test_the_clock_is_that_of_the_messages() -> None:
    async with serving() as running:
        _, before = await say(running, "now", person="a")
        published_ms = running.log.publish("now").published_ms
        _, after = await say(running, "now", person="a")
        assert before["server_ms"] < published_ms < after["server_ms"]


@every_transport
async def test_a_persons_cost_is_what_crosses_their_own_connections(transport: str) -> None:
    async def cost(person: str) -> tuple[int, int]:
        status, now = await say(running, "now", person=person)
        assert status == 200
        return now["requests"], now["bytes"]

    async with serving() as running, Wire.to(running.port) as own, Wire.to(running.port) as other:
        for person in "ab":
            await join(running, person, person, transport)
        await own.read(transport, str(running.log.newest), "/chat/a")
        published = running.log.publish("hello").json.encode()
        while published not in own.received:
            assert await own.some()
        await other.ask("/chat/b/short-poll")
        await other.answer()
        await other.ask("/short-poll")  # from here on it is nobody's
        size = len(other.sent) - len(b"GET /short-poll HTTP/1.1\r\nHost: \r\n\r\n") - len(other.host)
        assert await cost("b") == (1, size + len(other.received))
        assert await cost("a") == (1, len(own.sent) + len(own.received))
        await say(running, "join", person="a", name="a", transport="sse" if transport == "websocket" else "websocket")
        assert (await cost("a"))[0] == 0  # its old connection may still be told of the change
        assert await cost("nobody") == (0, 0)


# A network that fails one person


@every_transport
async def test_a_cut_breaks_a_persons_own_connections_for_a_while_and_no_others(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "AWAY_S", 1_000)
    held = "long_poll" if transport == "short_poll" else transport
    async with serving() as running, Wire.to(running.port) as idle:
        for person in "ab":
            await join(running, person, person, transport)
        await idle.ask("/chat/a/short-poll")
        await idle.answer()
        async with open_request(running, "a", held) as own, open_request(running, "b", held) as others:
            assert (await say(running, "cut", person="a"))[0] == 204
            for wire in (own, idle):
                with contextlib.suppress(ConnectionResetError):
                    await wire.rest()
            publication = b'{"text": "does not arrive"}'
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await ask(running.port, "/chat/a/messages", body=publication, method="POST")
            running.chat._people["a"].away_until_ns = 0
            assert (await ask(running.port, "/chat/a/messages", body=b'{"text": "does"}', method="POST"))[0] == 201
            assert "does not arrive" not in told(running.log)
            assert len(running.log.after(running.log.oldest).messages) == 3
            await others.until(b'"does"')


def test_a_cut_lasts_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def comes_through(at_s: float) -> bool:
        cut: list[bool] = []
        monkeypatch.setattr(time, "monotonic_ns", lambda: int(at_s * 1e9))
        room.claim(Connection(1, 0, 0, cut=lambda: cut.append(True)), "/chat/a/sse")
        return not cut

    async def scenario() -> None:
        room.join("a", "Ada", "sse")
        assert comes_through(1.0)
        room.cut("a")
        room.cut("stranger")
        assert not comes_through(1.0 + AWAY_S - 0.001)
        assert comes_through(1.0 + AWAY_S)

    room = Chat(MessageLog())
    run_jumping(scenario())


async def test_the_next_user_of_the_connection_is_not_cut() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        for person in "ab":
            await join(running, person, person)
        for target in ("/chat/a/short-poll", "/chat/b/short-poll", "/short-poll"):
            await wire.ask(target)
            assert (await wire.answer())[0] == 200
            if target.startswith("/chat/b"):
                await say(running, "cut", person="a")
        await say(running, "cut", person="b")
        await wire.ask("/short-poll")
        assert (await wire.answer())[0] == 200
