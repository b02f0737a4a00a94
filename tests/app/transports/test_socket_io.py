"""Socket.IO from the outside: the official JavaScript client, unchanged, in Node and Chromium; and what is special."""

import asyncio
import contextlib
import gc
import json
import os
import re
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engineio.packet import Packet
from playwright.async_api import Browser, expect
from starlette.responses import FileResponse
from starlette.routing import Route
from websockets.asyncio.client import connect

from app import engine_io, engine_io_websocket, sessions
from app.link import Upgrades
from app.log import MessageLog
from app.message import TEXT_MAX_BYTES, Message
from clients import raw
from clients.socket_io import receive
from tests import ROOT
from tests.browsing import browsing
from tests.node import modules
from tests.reading import Json
from tests.serving import LIMIT_S, Running, Wire, ask, eventually, serving, tasks
from tests.watching import watching
from tests.witness import Witness

pytestmark = pytest.mark.anyio

CLIENT = "socket.io-client@4.8.4"
SCRIPT = ROOT / "tests/socket_io_client.js"
WAYS: dict[str, Json] = {
    "default": {},
    "websocket": {"transports": ["websocket"]},
    "polling": {"transports": ["polling"]},
}
every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def node_modules() -> Path:
    return modules(CLIENT)


@dataclass
class Official:
    """A Node process with the official client in it."""

    process: Process
    told: list[Json] = field(default_factory=list)

    async def until(self, name: str) -> Any:
        """The next thing of that name; what comes before it is kept in `told`."""
        assert self.process.stdout
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), LIMIT_S)
            assert line, f"it has ended before {name}"
            self.told.append(json.loads(line))
            if name in self.told[-1]:
                return self.told[-1][name]

    async def messages(self, count: int) -> list[Json]:
        return [await self.until("message") for _ in range(count)]

    async def emit(self, *what: object) -> Any:
        """Emit an event; the acknowledgement."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        return await self.until("answer")


@contextlib.asynccontextmanager
async def official(
    node_modules: Path, running: Running, way: str, after: str = "", base: str = "", **more: object
) -> AsyncIterator[Official]:
    options = json.dumps({**WAYS[way], **more})
    process = await asyncio.create_subprocess_exec(
        *("node", str(SCRIPT), running.url, f"{base}/socket.io/", options, after),
        stdin=PIPE,
        stdout=PIPE,
        limit=1_048_576,
        env={**os.environ, "NODE_PATH": str(node_modules)},
    )
    try:
        yield Official(process)
    finally:
        assert process.stdin
        process.stdin.close()  # it says goodbye, and with its last connection it ends
        await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode == 0


def written(*messages: Message) -> list[Json]:
    return [json.loads(message.json) for message in messages]


@every_way
async def test_the_official_client_is_told_everything_in_order(way: str, node_modules: Path) -> None:
    log = MessageLog()
    old = log.publish("長輪詢 \u2028")
    async with serving(log) as running:
        async with official(node_modules, running, way) as client:
            assert await client.until("cursor") == {"cursor": str(old.cursor)}
            if way == "default" and {"upgrade": "websocket"} not in client.told:
                assert await client.until("upgrade") == "websocket"
            published = [log.publish(str(i)) for i in range(100)]  # far more than 16 in one response
            assert await client.messages(100) == written(*published)
            assert client.told[-1]["over"] == ("polling" if way == "polling" else "websocket")
        await eventually(lambda: not running.link.connections)
        async with official(node_modules, running, way, "0") as client:
            assert await client.messages(101) == written(old, *published)
        async with official(node_modules, running, way, query={"after": "0"}, auth={}) as client:
            assert await client.messages(1) == written(old)


@every_way
async def test_it_loses_and_repeats_nothing_during_the_upgrade_and_after_cuts(way: str, node_modules: Path) -> None:
    async with serving(publish_hz=300, delay_s=0.005) as running:
        async with official(node_modules, running, way, "0") as client:
            await client.messages(100)
            for _ in range(3):
                cut = set(running.link.connections)
                running.link.cut()
                await eventually(lambda: running.link.connections.keys() - cut)  # noqa: B023
                # Between two polls there may be nothing to cut but an idle connection, which nobody misses.
                while way != "polling" and not any("disconnect" in one for one in client.told):
                    await client.messages(1)
                await client.messages(100)
        told = [one["message"]["cursor"] for one in client.told if "message" in one]
        assert told == [f"{running.log.epoch}-{i + 1}" for i in range(len(told))]


@every_way
async def test_it_is_told_what_it_missed(way: str, node_modules: Path) -> None:
    log = MessageLog(keep=2)
    published = [log.publish(str(i)) for i in range(4)]
    async with serving(log) as running, official(node_modules, running, way, f"{log.epoch}-1") as client:
        assert await client.until("missed") == {"reason": "expired", "cursor": f"{log.epoch}-2"}
        assert await client.messages(2) == written(*published[2:])


@every_way
async def test_it_publishes_to_everybody(way: str, node_modules: Path) -> None:
    async with serving() as running, contextlib.AsyncExitStack() as stack:
        others = [
            await stack.enter_async_context(official(node_modules, running, other, "0", "/s/a/p")) for other in WAYS
        ]
        client = await stack.enter_async_context(official(node_modules, running, way, "", "/s/a/q"))
        await client.until("cursor")
        for text in ("hello", "\x00" * TEXT_MAX_BYTES, "長" * (TEXT_MAX_BYTES // 3)):
            answer = await client.emit("publish", {"text": text})
            assert answer["text"] == text
            for other in others:
                assert await other.messages(1) == [answer]
        for what, why in (
            (["publish", "hello"], 'send {"text": "..."}: a JSON object with one string in it'),
            (["publish", {"text": ""}], "the text has 0 bytes: 1 to 16384 are accepted"),
            (["publish", {"text": "a" * (TEXT_MAX_BYTES + 1)}], "1 to 16384 are accepted"),
            (["publish", {"text": "a", "name": ""}], "this name is not accepted: give 1 to 40 characters"),
            (["publish"], 'emit "publish" with {"text": "..."}'),
            (["publish", {"text": "a"}, 7], 'emit "publish" with {"text": "..."}'),
            (["shout", {"text": "a"}], 'emit "publish" with {"text": "..."}'),
        ):
            assert why in (await client.emit(*what))["error"]
        assert running.sessions.at("a").log.newest.seq == 3


@every_way
async def test_a_bad_connection_is_refused_with_what_is_accepted(way: str, node_modules: Path) -> None:
    async with serving() as running:
        for after, more, why in (
            ("seven", {}, "'seven' is not a cursor: send one that you were given"),
            ("", {"auth": {"afer": "0"}}, 'give {"after": CURSOR}, or none'),
            ("", {"auth": {"after": 7}}, 'give {"after": CURSOR}, or none'),
            ("", {"query": {"afer": "0"}}, "unknown parameter 'afer': accepted here is after"),
            ("", {"query": {"after": "7"}, "auth": {}}, "'7' is not a cursor"),
        ):
            async with official(node_modules, running, way, after, **more) as client:
                assert why in await client.until("connect_error")
    assert not running.log.newest.seq


async def test_the_official_client_works_in_a_browser(node_modules: Path, chromium: Browser) -> None:
    library = (node_modules / "socket.io-client/dist/socket.io.min.js").read_text()
    async with serving() as running:
        page = await chromium.new_page()
        for host in (running.host, f"localhost:{running.port}"):  # any name that the Guard lets in
            await page.goto(f"http://{host}/")
            await page.evaluate(library)
            for options in WAYS.values():
                answer = await page.evaluate(
                    """(options) => new Promise((resolve, reject) => {
                        const socket = io(options);
                        socket.on("connect_error", reject);
                        socket.on("message", (message) => { socket.disconnect(); resolve(message); });
                        socket.on("cursor", () => socket.emit("publish", { text: "from a browser" }));
                    })""",
                    options,
                )
                assert answer["text"] == "from a browser"
        await page.close()


def says(witness: Witness) -> list[str]:
    """What a client asks and says, each once, but for its goodbye."""
    said = set()
    for piece in witness.saw:
        head, _, body = piece.data.partition(b"\r\n\r\n")
        target = re.match(rb"(GET|POST) /socket\.io/\?(EIO=4&transport=\w+\S*)", head)
        if piece.direction == "up" and target:
            what = f"{target[1].decode()} {re.sub('(t|sid)=[^&]*', '', target[2].decode())} {body.decode()}"
        elif piece.direction == "up" and piece.data[:1] == b"\x81":
            size, mask = piece.data[1] & 127, piece.data[2:6]
            what = bytes(byte ^ mask[i % 4] for i, byte in enumerate(piece.data[6 : 6 + size])).decode()
        else:
            continue
        if not what.endswith(("41", "1")):
            said.add(what)
    return sorted(said)


async def is_over_websocket(way: str, witness: Witness) -> None:
    await eventually(lambda: way != "default" or "5" in says(witness))


@every_way
async def test_our_raw_client_sends_what_the_official_one_sends(way: str, node_modules: Path) -> None:
    by_official, by_raw = Witness(), Witness()
    async with serving(observer=by_official) as running:
        running.log.publish("there already")
        async with official(node_modules, running, way, "0") as client:
            await client.messages(1)
            await is_over_websocket(way, by_official)
    async with serving(observer=by_raw) as running:
        running.log.publish("there already")
        stream: Any = raw.receive("socket_io", running.url, "0", via="upgrade" if way == "default" else way)
        async with contextlib.aclosing(stream):
            await asyncio.wait_for(anext(stream), LIMIT_S)
            await is_over_websocket(way, by_raw)
    assert says(by_raw) == says(by_official)


@pytest.mark.parametrize("upgrades", ["refuse", "cut"])
async def test_where_websocket_does_not_get_through_the_official_client_polls(
    upgrades: Upgrades, node_modules: Path
) -> None:
    async with serving(upgrades=upgrades) as running:
        async with official(node_modules, running, "default") as client:
            await client.until("cursor")
            published = [running.log.publish(str(i)) for i in range(30)]
            assert await client.messages(30) == written(*published)
            message = await client.emit("publish", {"text": "and back"})
            while not any(one.get("message") == message for one in client.told):
                await client.until("message")
            assert {one["over"] for one in client.told if "over" in one} == {"polling"}
            assert not any("disconnect" in one or "upgrade" in one for one in client.told)
            running.link.upgrades = "pass"  # it continues to poll; with its next connection it tries again
            lost = asyncio.ensure_future(client.until("disconnect"))
            while not lost.done():  # between two polls it would notice nothing
                running.link.cut()
                await asyncio.wait([lost], timeout=0.02)
            assert lost.result()
            while client.told[-1].get("over") != "websocket":
                message = running.log.publish("again")
                assert await client.messages(1) == written(message)
        running.link.upgrades = upgrades
        async with official(node_modules, running, "websocket") as client:
            assert await client.until("connect_error")
            assert not any("cursor" in one for one in client.told)


# The note's own events, `to-server` and `to-client`, for a client that brings no auth: io()


@every_way
async def test_a_bare_client_sends_and_receives_plain_texts(way: str, node_modules: Path) -> None:
    async with serving() as running, contextlib.AsyncExitStack() as stack:
        bare = await stack.enter_async_context(official(node_modules, running, way, auth=None))
        ours = await stack.enter_async_context(official(node_modules, running, way))
        for client in (bare, ours):
            await client.until("cursor")
        message = await bare.emit("to-server", "广播 <b>")
        assert message["text"] == "广播 <b>"
        running.log.publish("hello", "Ada")
        for text in ("广播 <b>", "Ada: hello"):
            assert await bare.until("to-client") == text
        assert [one["text"] for one in await ours.messages(2)] == ["广播 <b>", "hello"]
        assert [one["message"]["text"] for one in bare.told if "message" in one] == ["广播 <b>", "hello"]
        for what in (["to-server"], ["to-server", {"text": "a"}], ["to-server", ""], ["to-server", "a", "b"]):
            assert (await bare.emit(*what))["error"]
        assert running.log.newest.seq == 2
        assert not any("to-client" in one for one in ours.told)


async def test_the_notes_page_works_when_it_is_served_from_here(chromium: Browser) -> None:
    note = FileResponse(ROOT / "tests/note.html")
    lost = ("favicon.ico", "WebSocket is closed before", "ERR_")
    async with serving() as running, contextlib.AsyncExitStack() as stack:
        running.server.config.app.router.routes.append(Route("/note.html", lambda _: note))  # type: ignore[union-attr]
        pages = [
            await stack.enter_async_context(browsing(chromium, running, path="/note.html", expected=lost))
            for _ in range(2)
        ]
        for page in pages:
            await expect(page.locator("#log li")).to_have_text(["连接成功"])
        await pages[0].fill("#text", "<b>大家好</b>")
        await pages[0].click("#send")
        for page in pages:
            await expect(page.locator("#log li")).to_have_text(["连接成功", "<b>大家好</b>"])
        running.link.cut()
        for page in pages:
            await expect(page.locator("#log li")).to_have_text(["连接成功", "<b>大家好</b>", "断开连接", "连接成功"])


async def test_many_get_the_same() -> None:
    async with serving() as running, contextlib.AsyncExitStack() as stack:
        told: list[Any] = []
        for number in range(30):
            stream: Any = receive(
                running.url, "0", list(WAYS.values())[number % 3].get("transports", ("polling", "websocket"))
            )
            told.append(await stack.enter_async_context(contextlib.aclosing(stream)))
        published = [running.log.publish(str(i)) for i in range(40)]
        async with asyncio.timeout(LIMIT_S):
            for stream in told:
                assert [await anext(stream) for _ in published] == published


# What the server must not keep, hold or leave running


async def handshake(running: Running, base: str = "", **headers: str) -> str:
    """The number of a new session that is polled."""
    status, body = await ask(running.port, f"{base}/socket.io/?EIO=4&transport=polling", headers)
    assert status == 200
    sid: str = json.loads(body[1:])["sid"]
    return f"{base}/socket.io/?EIO=4&transport=polling&sid={sid}"


async def reached(running: Running, wire: Wire) -> None:
    """Wait until the server has got everything that was sent."""
    connections = running.link.connections
    await eventually(lambda: (wire.port, len(wire.sent)) in [(c.client_port, c.bytes_up) for c in connections.values()])


async def test_a_reader_that_does_not_read_has_no_long_queue() -> None:
    log = MessageLog()
    for i in range(3_000):
        log.publish(f"{i:05}" + "a" * 8_000)
    async with serving(log) as running, Wire.to(running.port) as wire:
        polled = await handshake(running)
        await ask(running.port, polled, body=b"40", method="POST")
        await wire.read("socket_io", "0")
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = running.link.connections.values()
        await eventually(lambda: connection.bytes_down > 100_000)
        await ask(running.port, "/short-poll")
        gc.collect()
        assert sum(isinstance(thing, Packet) for thing in gc.get_objects()) < 200


async def test_a_client_that_emits_connect_has_one_reader_at_most() -> None:
    async with serving() as running:
        polled = await handshake(running)
        packets = ["40", *['42["connect",{"QUERY_STRING":"after=0"},null]'] * 3, '42["disconnect","x"]'] * 2
        for packet in packets:
            assert (await ask(running.port, polled, body=packet.encode(), method="POST"))[0] in (200, 400)
            assert tasks()["push"] <= 1
        assert (await ask(running.port, polled, body=b"1", method="POST"))[0] in (200, 400)
        await eventually(lambda: not tasks()["push"])


async def test_a_client_that_publishes_and_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_io, "REPLIES_MAX", 20)
    async with serving() as running:
        polled = await handshake(running)
        await ask(running.port, polled, body=b"40", method="POST")
        many = "\x1e".join(f'42{i}["publish",{{"text":"a"}}]' for i in range(50)).encode()
        await ask(running.port, polled, body=many, method="POST")
        assert running.log.newest.seq <= 25
        await eventually(lambda: not tasks()["push"])


async def test_a_client_that_posts_heartbeats_and_never_polls_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_io, "DEAF_S", 0.1)
    async with serving() as running, asyncio.timeout(LIMIT_S):
        deaf, polling = await handshake(running), await handshake(running)
        for polled in (deaf, polling):
            await ask(running.port, polled, body=b"40", method="POST")
        while (await ask(running.port, deaf, body=b"3", method="POST"))[0] == 200:
            running.log.publish("tick")
            assert b"message" in (await ask(running.port, polling))[1]
            assert (await ask(running.port, polling, body=b"3", method="POST"))[0] == 200
        assert tasks()["push"] == 1


async def test_a_failed_upgrade_leaves_the_polls_as_they_were() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        polled = await handshake(running)
        await ask(running.port, polled, body=b"40", method="POST")
        assert b'["cursor",' in (await ask(running.port, polled))[1]
        await wire.upgrade(polled.replace("transport=polling", "transport=websocket"))
        await wire.until(b"\r\n\r\n")
        wire.reset()
        await eventually(lambda: not running.link.connections)
        message = running.log.publish("hello")
        assert message.json.encode() in (await ask(running.port, polled))[1]


async def test_a_probe_that_stays_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_io_websocket, "UPGRADE_S", 0.05)
    async with serving() as running, Wire.to(running.port) as wire:
        polled = await handshake(running)
        await ask(running.port, polled, body=b"40", method="POST")
        await wire.upgrade(polled.replace("transport=polling", "transport=websocket"))
        await wire.until(b"\x88")  # a close frame; who does not respond to it is waited for
        wire.writer.close()
        assert b'["cursor",' in (await ask(running.port, polled))[1]


async def test_the_number_of_sessions_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_io, "SESSIONS_MAX", 2)
    async with serving() as running, Wire.to(running.port) as wire:
        polled = [await handshake(running) for _ in range(2)]
        status, body = await ask(running.port, "/socket.io/?EIO=4&transport=polling")
        assert (status, b"sessions of Socket.IO are open" in body) == (503, True)
        await wire.upgrade("/socket.io/?EIO=4&transport=websocket")
        assert (await wire.answer())[0] == 403
        assert (await ask(running.port, polled[0], body=b"1", method="POST"))[0] == 200
        await handshake(running)  # there is room again


async def test_a_post_in_chunks_is_accepted_and_jsonp_is_refused() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        polled = await handshake(running)
        await wire.send(
            f"POST {polled} HTTP/1.1\r\nHost: {running.host}\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\n40\r\n0\r\n\r\n".encode()
        )
        assert (await wire.answer())[0] == 200
        assert b'["cursor",' in (await ask(running.port, polled))[1]
        status, body = await ask(running.port, f"{polled}&j=0")
        assert (status, b"JSONP" in body) == (400, True)


async def test_disconnecting_from_a_held_poll_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        polled = await handshake(running)
        assert (await ask(running.port, polled, body=b"40", method="POST"))[0] == 200
        assert b'["cursor",' in (await ask(running.port, polled))[1]
        await wire.ask(polled)
        await reached(running, wire)
        wire.reset()
        await eventually(lambda: not tasks()["push"] and not running.link.connections)
        status, body = await ask(running.port, polled)
        assert (status, b"Invalid session" in body) == (400, True)


async def test_a_goodbye_ends_the_held_poll() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        polled = await handshake(running)
        await wire.ask(polled)
        await reached(running, wire)
        assert await ask(running.port, polled, body=b"1", method="POST") == (200, b"OK")
        assert await wire.answer() == (200, b"6")


async def test_a_post_may_bring_many_publications_and_a_large_one_is_refused() -> None:
    async with serving() as running:
        polled = await handshake(running)
        packets = ["40", *(f'42["publish",{{"text":"{i}"}}]' for i in range(100))]
        assert (await ask(running.port, polled, body="\x1e".join(packets).encode(), method="POST"))[0] == 200
        assert [message.text for message in running.log.after(running.log.oldest).messages] == list(
            map(str, range(100))
        )
        status, body = await ask(running.port, polled, body=b"4" * 200_000, method="POST")
        assert (status, b"the body is larger" in body) == (413, True)


async def test_nonsense_is_no_error_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        for target in ("?", "?EIO=3&transport=polling", "?EIO=4&transport=pigeon", "?EIO=4&sid=7", "?EIO=4&j=x"):
            assert (await ask(running.port, f"/socket.io/{target}"))[0] == 400
        polled = await handshake(running)
        for nonsense in ("4", "49", "4{", "42", '42["publish"', "451-7", "x", "\x1e", "40/chat,", "9", "47", "42[]"):
            assert (await ask(running.port, polled, body=nonsense.encode(), method="POST"))[0] in (200, 400)
            polled = await handshake(running)
            async with connect(f"ws://{running.host}/socket.io/?EIO=4&transport=websocket") as socket:
                await socket.send(nonsense)
        async with Wire.to(running.port) as wire:
            await wire.ask(polled, {"Content-Length": "40"}, method="POST")
            await wire.send(b"42[")
        await eventually(lambda: not running.link.connections)
        assert (await ask(running.port, "/socket.io/", method="OPTIONS"))[0] == 405
    assert not caplog.records
    assert not running.log.newest.seq


async def test_it_leaves_access_to_the_guard() -> None:
    async with serving(names=["lecture.example"]) as running, Wire.to(running.port) as wire:
        headers = {"Host": "lecture.example", "Origin": "https://lecture.example"}
        await wire.ask("/socket.io/?EIO=4&transport=polling", headers)
        assert (await wire.answer())[0] == 200
        assert b"access-control" not in wire.received.lower()
        for more, status in (({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 400)):
            target = "/socket.io/?EIO=4&transport=polling"
            assert (await ask(running.port, target, headers | more))[0] == status


@pytest.mark.parametrize("polls", [False, True])
async def test_the_end_of_a_session_ends_its_connections_and_tasks(
    polls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "UNWATCHED_S", 0.01)
    monkeypatch.setattr(engine_io, "PING_INTERVAL_S", 2)
    async with serving() as running:
        before = tasks()
        async with contextlib.AsyncExitStack() as stack:
            wires = []
            for number in range(20):
                async with watching(running, f"s{number}", "another"):
                    wire = await stack.enter_async_context(Wire.to(running.port))
                    base = f"/s/s{number}/p"
                    if polls:
                        polled = await handshake(running, base)
                        await ask(running.port, polled, body=b"40", method="POST")
                        assert b'["cursor",' in (await ask(running.port, polled))[1]
                        await wire.ask(polled)
                        await reached(running, wire)
                    else:
                        await wire.read("socket_io", base=base)
                        await wire.until(b'["cursor",')
                wires.append(wire)
            for wire in wires:
                if polls:
                    assert await wire.answer() == (200, b"1")
                else:
                    closes = b"\x81\x011\x88\x02\x03\xe8"  # of Engine.IO, WebSocket
                    assert (await wire.until(closes[-4:])).endswith(closes)
                    await wire.send(bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]))  # or the server waits for it
                    assert await wire.rest() == b""
        await eventually(lambda: not running.link.connections)
        await eventually(lambda: not tasks() - before)


async def test_every_client_is_told_when_the_server_stops(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running, contextlib.AsyncExitStack() as stack:
        polling, upgraded = [await stack.enter_async_context(Wire.to(running.port)) for _ in range(2)]
        await upgraded.read("socket_io")
        await upgraded.until(b'["cursor",')
        polled = await handshake(running)
        await polling.ask(polled)
        await reached(running, polling)
        running.server.should_exit = True
        assert await polling.answer() == (200, b"1")
        assert (await upgraded.rest())[-4:-2] == b"\x88\x02"
        assert await polling.rest() == b""
    assert not running.server.server_state.tasks
    assert not caplog.records
