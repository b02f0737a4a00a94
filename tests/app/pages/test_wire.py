"""wire/connection.js names every byte as the ledger does, however the bytes are cut into pieces, in a real browser."""

import asyncio
import base64
import contextlib
import json
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from typing import Any

import pytest
from playwright.async_api import Browser, Page
from websockets.asyncio.client import connect

from app.pages import FOLDER
from app.transports import sse
from clients import CLIENTS, headers, raw
from experiments.analysis.ledger import explain
from experiments.run.recording import Connection
from tests import ROOT
from tests.browsing import browsing
from tests.serving import LIMIT_S, PLAIN_TRANSPORTS, Running, Wire, eventually, serving
from tests.witness import Witness

pytestmark = pytest.mark.anyio

MODULES = (
    *(FOLDER / "static" / name for name in ("wire/json.js", "wire/packets.js", "wire/connection.js")),
    *(FOLDER / "static" / name for name in ("words/format.js", "words/wire.js")),
    ROOT / "tests/dissecting.js",
)
SOURCE = re.sub(r"^import .*", "", "\n".join(module.read_text() for module in MODULES), flags=re.MULTILINE)

Piece = tuple[str, bytes]
"""A direction and bytes; or `resync`, which says that pieces were lost."""

TEXTS = ("short", "a" * 120, "長輪詢" * 60, '"}],{\\', "\x00" * 11_000)
"""Messages for frames with each length of length, with characters of more than a byte, and with JSON's own marks."""

CATEGORIES = {
    **dict.fromkeys(("request_line", "request_header", "head_end", "status_line", "response_header"), "head"),
    **dict.fromkeys(("body", "sse_field", "frame_payload", "request_body", "publication"), "around"),
    **dict.fromkeys(("frame_header", "mask"), "frame"),
    **dict.fromkeys(("request_head", "response_head"), "head"),
    **dict.fromkeys(("poll_body", "control"), "around"),
    "message": "payload",
}
"""What wire/connection.js and the ledger call the same bytes, where they do not use the same word."""

ASK = """([source, limit_ms, ...question]) => {
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
  return new Promise((done, fail) => {
    worker.onmessage = ({ data }) => done(data);
    worker.onerror = event => fail(new Error(event.message));
    setTimeout(() => fail(new Error("wire/connection.js does not come to an end")), limit_ms);
    worker.postMessage(question);
  }).finally(() => worker.terminate());
}"""
"""In a worker, because a page that never comes to an end can't even be closed."""


@pytest.fixture(scope="module")
async def page(chromium: Browser) -> Page:
    """An empty page."""
    return await chromium.new_page()


async def dissect(page: Page, *cases: Sequence[Piece]) -> list[list[dict[str, Any]]]:
    """What wire/ returns for every piece of every case; it is covered exactly, with notes that make sense."""
    found: list[list[dict[str, Any]]] = await call(page, "dissect", [encoded(case) for case in cases])
    return found


async def differing(page: Page, pieces: Sequence[Piece], cuttings: Iterable[Sequence[int]]) -> list[list[int]]:
    """Those of `cuttings` that make a difference to what is said of all bytes and of what happened.

    A cutting is a list of places to cut at, counted over all pieces; those in the same direction are joined before.
    """
    found: list[list[int]] = await call(page, "differing", [encoded(joined(pieces)), list(cuttings)])
    return found


async def call(page: Page, question: str, argument: Any) -> Any:
    """As JSON, because what Playwright does instead takes it many times as long."""
    return json.loads(await page.evaluate(ASK, [SOURCE, LIMIT_S * 1000, question, json.dumps(argument)]))


def encoded(pieces: Iterable[Piece]) -> list[tuple[str, str]]:
    return [(direction, base64.b64encode(data).decode()) for direction, data in pieces]


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same bytes in as few pieces as possible."""
    together = groupby(pieces, key=lambda piece: piece[0])
    return [(direction, b"".join(data for _, data in group)) for direction, group in together]


def ends(pieces: Iterable[Piece]) -> list[int]:
    return list(accumulate(len(data) for _, data in pieces))


def spelled(pieces: Sequence[Piece], found: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Every part as its kind and its text: what is masked is spelled out."""
    return [
        (part["kind"], part.get("text", data[part["start"] : part["end"]].decode(errors="replace")))
        for (_, data), one in zip(pieces, found, strict=True)
        for part in one["parts"]
    ]


def facts(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [fact for one in found for fact in one["facts"]]


def types(found: Sequence[dict[str, Any]]) -> list[str]:
    return [fact["type"] for fact in facts(found)]


# Recordings


@dataclass(frozen=True)
class Talk:
    """One connection to a real server: as the ledger reads it, and its pieces; and all that the server published."""

    connection: Connection
    pieces: list[Piece]
    published: list[str]

    def undecided(self) -> set[int]:
        """Where a cut leaves open what a text is: `{"` begins a message; in a frame, what was missed; a refusal."""
        data = b"".join(data for _, data in self.pieces)
        frames = b"101 Switching" in data
        others = [match.start() for match in re.finditer(rb'\{"missed"', data) if frames]
        others += [match.start(1) for match in re.finditer(rb'43\d+\[(\{"error")', data)]
        return {place + more for place in others for more in (1, 2)}


async def by_client(running: Running, transport: str, profile: str) -> None:
    """A client of ours reads messages, alone and in bursts, and polls in vain if it polls."""
    pause: dict[str, Any] = {"pause_s": 0.005} if transport == "short_poll" else {}
    if profile == "library":
        stream = CLIENTS[transport].receive(running.url, "0", **pause)
    else:
        stream = raw.receive(transport, running.url, "0", headers=headers.browser, **pause)
    async with contextlib.aclosing(stream):  # type: ignore[type-var]
        for text in TEXTS[:4]:
            published = [running.log.publish(text) for _ in range(3 if text == "short" else 1)]
            while await anext(stream) != published[-1]:
                pass
        last = asyncio.ensure_future(anext(stream))
        if transport == "short_poll":
            (connection,) = running.link.connections.values()
            asked = connection.writes
            await eventually(lambda: connection.writes > asked + 2)
        assert running.log.publish("at last") == await last


async def by_browser(running: Running, chromium: Browser) -> None:
    """A browser's own fetch, EventSource and WebSocket; the page itself reads by EventSource too."""
    running.log.publish("there already")
    async with browsing(chromium, running, expected=["404", "400"]) as page:
        await page.evaluate("""async () => {
            const ask = async target => (await fetch(target)).json();
            const { cursor } = await ask("/short-poll?after=0");
            await ask(`/short-poll?after=${cursor}`);
            await ask("/short-poll?after=0thers-7");
            await ask("/short-poll?after=nonsense");
            await fetch("/nowhere");
            const held = ask(`/long-poll?after=${cursor}`);
            const news = new EventSource("/sse?after=0"), socket = new WebSocket("/websocket?after=0");
            const pushed = Promise.all([news, socket].map(stream => new Promise(done => {
                stream.addEventListener("message", event => JSON.parse(event.data).text === "in a frame" && done());
            })));
            await new Promise(done => socket.onopen = done);
            await fetch("/messages", {
                method: "POST",
                headers: { "Content-Type": "application/json" },
                body: JSON.stringify({ text: "posted" }),
            });
            await held;
            socket.send(JSON.stringify({ text: "in a frame" }));
            await pushed;
            news.close();
            const closed = new Promise(done => socket.onclose = done);
            socket.close(1000, "bye");
            await closed;
        }""")


async def by_refusals(running: Running) -> None:
    evil = {"Origin": "http://evil.example"}
    async with Wire.to(running.port) as wire:
        wrong = ("/short-poll?after=x", "/nowhere", "/sse?after=x", "/socket.io/?EIO=4&transport=polling&sid=x")
        for target, lines in (*((one, {}) for one in wrong), ("/", evil)):
            await wire.ask(target, lines)
            await wire.answer()
        await wire.ask("/messages", body=b"{}", method="POST")
        await wire.answer()
        await wire.upgrade(headers=evil)
        await wire.answer()
    for frame in ("nonsense", b"bytes"):
        async with connect(f"ws://{running.host}/websocket", compression=None) as socket:
            await socket.send(frame)
            await socket.wait_closed()


async def by_pipeline(running: Running) -> None:
    """Publications and polls, all sent before the first response."""
    bodies = [json.dumps({"text": text}).encode() for text in TEXTS[:4]]
    json_of = "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    head = f"POST /messages HTTP/1.1\r\nHost: {running.host}\r\n{json_of}".encode()
    poll = f"GET /short-poll?after=0 HTTP/1.1\r\nHost: {running.host}\r\n\r\n".encode()
    async with Wire.to(running.port) as wire:
        await wire.send(b"".join(head % len(body) + body + poll for body in bodies))
        for _ in range(2 * len(bodies)):
            await wire.answer()


async def by_frames(running: Running) -> None:
    """Frames with each length of length, in both directions, in fragments too; ping, pong and a friendly end."""
    async with connect(f"ws://{running.host}/websocket", compression=None) as socket:
        await socket.recv()
        for text in TEXTS:
            frame = json.dumps({"text": text})
            await socket.send(frame if text == "short" else [frame[:10], frame[10:11], frame[11:]])
            await socket.recv()
        await asyncio.wait_for(await socket.ping(b"hello"), LIMIT_S)
        await socket.close(1000, "bye")


async def by_strangers(running: Running) -> None:
    """Readers whose cursors are of another log; the streams are quiet for a while, and the server ends."""
    running.log.publish("there already")
    async with Wire.to(running.port) as polling, Wire.to(running.port) as streaming, Wire.to(running.port) as socket:
        for target in ("/short-poll?after=0thers-7", "/long-poll?after=0thers-7"):
            await polling.ask(target)
            await polling.answer()
        await streaming.ask("/sse?after=0thers-7")
        await socket.upgrade("/websocket?after=0thers-7")
        for _ in range(2):
            await streaming.until(b"\r\n3\r\n:\n\n\r\n")
        await socket.until(b"there already")
        running.server.should_exit = True
        await streaming.until(b"\r\n0\r\n\r\n")
        await socket.rest()


SOCKET_IO = """async via => {
    const { TRANSPORTS } = await import("/static/transports/index.js");
    let waiting = {};
    const arrived = text => new Promise(done => { waiting[text] = done; });
    const receive = (after, lost) => TRANSPORTS.socket_io.receive("", { via, after }, {
        connected() {}, missed() {}, lost, message: ({ text }) => waiting[text]?.(),
    });
    const there = arrived("last of those that were there"), client = receive("0", () => {});
    await there;
    await client.publish({ text: "posted, or in a frame" });
    await client.publish({ text: "" }).catch(() => {});
    const all = ["長輪詢", "}]{[", '"'].flatMap(text => [arrived(text), client.publish({ text })]);
    await Promise.all(all);
    client.stop();
    let refused;
    await new Promise(lost => { refused = receive("0thers, which is not a cursor", lost); });
    refused.stop();
}"""


async def by_socket_io(running: Running, chromium: Browser, via: str) -> None:
    """The official client in a browser: what was there, publications with their acknowledgement, and refusals."""
    for text in (*TEXTS, "last of those that were there"):
        running.log.publish(text)
    async with browsing(chromium, running, expected=["400", "closed before the connection is established"]) as page:
        await page.evaluate(SOCKET_IO, via)


@pytest.fixture(scope="module")
async def talks(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Talk]:
    """Connections of every kind, by what is said on them."""
    sessions: dict[str, Callable[[Running], Awaitable[None]]] = {
        **{
            f"{profile} {transport}": partial(by_client, transport=transport, profile=profile)
            for transport in PLAIN_TRANSPORTS
            for profile in ("library", "raw")
        },
        "chromium": partial(by_browser, chromium=chromium),
        "refusals": by_refusals,
        "pipeline": by_pipeline,
        "frames": by_frames,
        "strangers": by_strangers,
        **{
            f"socket_io {via}": partial(by_socket_io, chromium=chromium, via=via)
            for via in ("upgrade", "websocket", "polling")
        },
    }
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "HEARTBEAT_S", 0.01)
        for name, session in sessions.items():
            witness = Witness()
            async with serving(observer=witness) as running:
                await session(running)
                published = [str(message.cursor) for message in running.log.after(running.log.oldest).messages]
            for connection in witness.recording(tmp_path_factory.mktemp("recording")).connections:
                pieces = [
                    (saw.direction, saw.data) for saw in witness.saw if saw.connection.number == connection.number
                ]
                found[f"{name} {connection.number}"] = Talk(connection, list(pieces), published)
    return found


COMPARED = ("library", "raw", "chromium", "refusals", "pipeline", "frames", "strangers", "socket_io")
"""The talks that are held against the ledger."""


async def test_every_byte_is_what_the_ledger_says(page: Page, talks: dict[str, Talk]) -> None:
    compared = {name: talk for name, talk in talks.items() if name.split()[0] in COMPARED}
    found = await dissect(page, *(talk.pieces for talk in compared.values()))
    for (name, talk), pieces in zip(compared.items(), found, strict=True):
        exchanges = explain(talk.connection)
        sizes: Counter[str] = Counter()
        for exchange in exchanges:
            for (direction, category), size in exchange.sizes.items():
                sizes[f"{direction} {CATEGORIES.get(category, category)}"] += size
        for (direction, _), piece in zip(talk.pieces, pieces, strict=True):
            for part in piece["parts"]:
                sizes[f"{direction} {CATEGORIES.get(part['kind'], part['kind'])}"] -= part["end"] - part["start"]
        assert not any(sizes.values()), (name, sizes)

        cursors = [str(cursor) for exchange in exchanges for cursor, _ in exchange.messages]
        assert messages(pieces) == cursors, name
        kind, of, *_ = name.split()
        if kind != "socket_io" and of in PLAIN_TRANSPORTS:  # Socket.IO's messages come over several connections
            assert cursors == talk.published, name


@pytest.mark.parametrize("via", ["upgrade", "websocket", "polling"])
async def test_all_of_socket_io_is_understood(page: Page, talks: dict[str, Talk], via: str) -> None:
    of_it = {name: talk for name, talk in talks.items() if name.startswith(f"socket_io {via}")}
    found = await dissect(page, *(talk.pieces for talk in of_it.values()))
    told = [fact for pieces in found for fact in facts(pieces)]
    assert "unknown" not in {fact["type"] for fact in told}
    assert "unknown" not in {part["kind"] for pieces in found for piece in pieces for part in piece["parts"]}
    for fact, times in (("handshake", 2), ("connect", 2 + 1), ("refused", 1), ("publish", 5), ("acknowledged", 5)):
        assert [one["type"] for one in told].count(fact) == times, fact
    assert sum("error" in one for one in told) == 1
    # Each message once, over whatever connection; its bytes are those of the log.
    (published, *_) = [talk.published for talk in of_it.values()]
    assert sorted(cursor for pieces in found for cursor in messages(pieces)) == sorted(published)
    spelt = [part for talk, pieces in zip(of_it.values(), found, strict=True) for part in spelled(talk.pieces, pieces)]
    assert sorted(json.loads(text)["text"] for kind, text in spelt if kind == "publication") == sorted(
        ["posted, or in a frame", "", "長輪詢", "}]{[", '"']
    )


def messages(found: Sequence[dict[str, Any]]) -> list[str]:
    """The cursors of all messages that arrived."""
    told = [[fact["cursor"]] if fact["type"] == "message" else fact.get("messages", []) for fact in facts(found)]
    return [cursor for cursors in told for cursor in cursors]


async def test_it_does_not_matter_how_the_bytes_are_cut(page: Page, talks: dict[str, Talk]) -> None:
    """As they came; at every place, 50 at a time with nothing cut near; at random; and each byte by itself."""
    rng = random.Random(7)
    for name, talk in talks.items():
        whole, undecided = joined(talk.pieces), talk.undecided()
        places = [place for place in range(1, ends(whole)[-1]) if place not in undecided]
        cuttings = [[place for place in ends(talk.pieces) if place not in undecided], places]
        if len(places) < 10_000:
            cuttings += [places[first::50] for first in range(50)]
            cuttings += [sorted(rng.sample(places, rng.randint(1, len(places)))) for _ in range(5)]
        assert await differing(page, whole, cuttings) == [], name


# By hand


def http(first_line: str, *lines: str, body: str = "") -> bytes:
    return "\r\n".join([first_line, *lines, "", body]).encode()


def asked(target: str, *lines: str, method: str = "GET", body: str = "") -> Piece:
    return "up", http(f"{method} {target} HTTP/1.1", *lines, body=body)


def answered(status: str, *lines: str, body: str = "") -> Piece:
    return "down", http(f"HTTP/1.1 {status}", *lines, body=body)


def chunk(text: str) -> str:
    return f"{len(text.encode()):x}\r\n{text}\r\n"


def frame(opcode: int, payload: bytes, mask: bytes = b"", first: int = 0x80) -> bytes:
    """RFC 6455, section 5.2; `first` are the bits beside the opcode."""
    size = len(payload)
    long = b"" if size < 126 else size.to_bytes(2 if size < 65_536 else 8)
    short = size if size < 126 else 126 if size < 65_536 else 127
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else payload
    return bytes([first | opcode, short | (0x80 if mask else 0)]) + long + mask + masked


MASK = b"\x37\xfa\x21\x3d"  # the one of RFC 6455, section 5.7
JSON = "content-type: application/json"
ONE = '{"cursor":"e-1","text":"}\\"[","published_ms":1.0}'
TWO = '{"cursor":"e-2","text":"長","published_ms":2.0}'
MISSED = '{"missed":{"reason":"expired","cursor":"e-0"}'
UPGRADE: list[Piece] = [asked("/websocket", "Upgrade: websocket"), answered("101 Switching Protocols")]
UPGRADED = ["request", "response", "upgrade"]


async def test_a_poll(page: Page) -> None:
    body, bare = f'{MISSED},"messages":[{ONE},{TWO}],"cursor":"e-2"}}', f'{MISSED},"messages":[],"cursor":"e-0"}}'
    pieces = [
        asked("/short-poll?after=e-1", "Host: x", "X-Y: z"),
        answered("200 OK", JSON, f"content-length: {len(body.encode())}", body=body),
        asked("/short-poll?after=e-2"),
        answered("200 OK", JSON, "content-length: 30", body='{"messages":[],"cursor":"e-2"}'),
        asked("/short-poll?after=other-9"),
        answered("200 OK", JSON, f"content-length: {len(bare)}", body=bare),
    ]
    (found,) = await dissect(page, pieces)
    assert spelled(pieces[:2], found[:2]) == [
        ("request_line", "GET /short-poll?after=e-1 HTTP/1.1\r\n"),
        ("request_header", "Host: x\r\n"),
        ("request_header", "X-Y: z\r\n"),
        ("head_end", "\r\n"),
        ("status_line", "HTTP/1.1 200 OK\r\n"),
        ("response_header", f"{JSON}\r\n"),
        ("response_header", f"content-length: {len(body.encode())}\r\n"),
        ("head_end", "\r\n"),
        ("body", f'{MISSED},"messages":['),
        ("message", ONE),
        ("body", ","),
        ("message", TWO),
        ("body", '],"cursor":"e-2"}'),
    ]
    notes = [part["note"] for part in found[0]["parts"]]
    assert notes[0] == "the request: method, target, HTTP version"
    assert notes[1].startswith("which server is meant")
    assert notes[2] == "a header: name, colon, value"
    answer = {"type": "response", "status": 200, "contentType": "application/json"}
    assert [one["facts"] for one in found] == [
        [{"type": "request", "number": 1, "method": "GET", "target": "/short-poll?after=e-1"}],
        [
            {**answer, "number": 1},
            {"type": "missed", "reason": "expired", "cursor": "e-0"},
            {**end(1, "e-2", "e-1", "e-2"), "missed": True},
        ],
        [{"type": "request", "number": 2, "method": "GET", "target": "/short-poll?after=e-2"}],
        [{**answer, "number": 2}, {**end(2, "e-2"), "empty": True}],
        [{"type": "request", "number": 3, "method": "GET", "target": "/short-poll?after=other-9"}],
        [
            {**answer, "number": 3},
            {"type": "missed", "reason": "expired", "cursor": "e-0"},
            {**end(3, "e-0"), "missed": True},
        ],
    ]


def end(number: int, cursor: str | None = None, *messages: str) -> dict[str, Any]:
    fact = {"type": "response_end", "number": number, "messages": list(messages), "cursor": cursor}
    return {**fact, "missed": False, "empty": False}


async def test_a_stream(page: Page) -> None:
    opening, missed = "retry: 1000\nid: e-0\n\n", f"event: missed\nid: e-0\ndata: {MISSED}}}\n\n"
    stream = (opening, missed, f"id: e-1\ndata: {ONE}\n\n", ":\n\n", "")
    pieces = [
        asked("/sse", "Last-Event-ID: e-0"),
        answered("200 OK", "content-type: text/event-stream", "transfer-encoding: chunked"),
        *(("down", chunk(text).encode()) for text in stream),
    ]
    (found,) = await dissect(page, pieces)
    size = f"{len(stream[2]):x}"
    assert spelled(pieces[4:], found[4:]) == [
        ("chunk", f"{size}\r\n"),
        ("sse_field", "id: e-1\n"),
        ("sse_field", "data: "),
        ("message", ONE),
        ("sse_field", "\n"),
        ("sse_field", "\n"),
        ("chunk", "\r\n"),
        *[("chunk", "3\r\n"), ("sse_field", ":\n"), ("sse_field", "\n"), ("chunk", "\r\n")],
        *[("chunk", "0\r\n"), ("chunk", "\r\n")],
    ]
    assert found[4]["parts"][0]["note"] == f"size of the next chunk: 0x{size} = {len(stream[2])} bytes"
    assert {part["kind"] for one in found[2:4] for part in one["parts"]} == {"chunk", "sse_field"}
    assert [one["facts"] for one in found[2:]] == [
        [{"type": "position", "cursor": "e-0"}],
        [{"type": "missed", "reason": "expired", "cursor": "e-0"}],
        [{"type": "message", "cursor": "e-1"}],
        [{"type": "heartbeat"}],
        [end(1)],
    ]


async def test_frames(page: Page) -> None:
    publication = '{"text":"長"}'.encode()
    down = [b'{"cursor":"e-0"}', f"{MISSED}}}".encode(), ONE.encode()]
    pieces: list[Piece] = [
        *UPGRADE,
        ("down", b"".join(frame(1, payload) for payload in down)),
        ("up", frame(1, publication, MASK)),
        ("down", frame(9, b"beat")),
        ("up", frame(10, b"beat", MASK)),
        ("up", frame(8, b"\x03\xe8" + "再見".encode(), MASK)),
        ("down", frame(8, b"\x03\xf0what?") + frame(8, b"")),
    ]
    (found,) = await dissect(page, pieces)
    kinds = ["frame_header", "frame_payload", "frame_header", "frame_payload", "frame_header", "message"]
    assert [part["kind"] for part in found[2]["parts"]] == kinds
    assert [(part["kind"], part.get("text")) for one in (found[3], found[6]) for part in one["parts"]] == [
        *[("frame_header", None), ("mask", None), ("frame_payload", publication.decode())],
        *[("frame_header", None), ("mask", None), ("frame_payload", "1000"), ("frame_payload", "再見")],
    ]
    header = found[3]["parts"][0]
    assert header["frame"] == {
        "fin": True,
        "opcode": 1,
        "opcodeName": "text",
        "masked": True,
        "length": len(publication),
        "header_bytes": 6,
    }
    words = (
        f"FIN: this frame ends a message; opcode 1: text; masked (clients have to); {len(publication)} bytes of payload"
    )
    assert header["note"] == words
    assert found[6]["parts"][2]["note"] == "status code 1000: done"
    assert [one["facts"] for one in found[2:]] == [
        [
            {"type": "position", "cursor": "e-0"},
            {"type": "missed", "reason": "expired", "cursor": "e-0"},
            {"type": "message", "cursor": "e-1"},
        ],
        [{"type": "publish"}],
        [{"type": "ping"}],
        [{"type": "pong"}],
        [{"type": "close", "code": 1000, "reason": "再見"}],
        [{"type": "close", "code": 1008, "reason": "what?"}, {"type": "close", "code": 1005, "reason": ""}],
    ]
    bye = [*UPGRADE, pieces[6]]
    assert await differing(page, bye, [list(range(1, ends(bye)[-1]))]) == []


SESSION = '0{"sid":"a","upgrades":["websocket"]}'


def polled(*packets: str) -> tuple[Piece, Piece]:
    body = "\x1e".join(packets)
    return asked("/s/a/b/socket.io/?EIO=4"), answered("200 OK", f"content-length: {len(body.encode())}", body=body)


def packets(pieces: Sequence[Piece], found: Sequence[dict[str, Any]]) -> list[list[tuple[str, str]]]:
    """Of each piece, what belongs to a packet."""
    kinds = ("engine_io", "socket_io", "message", "publication")
    return [
        [part for part in spelled([piece], [one]) if part[0] in kinds] for piece, one in zip(pieces, found, strict=True)
    ]


async def test_packets_in_polls(page: Page) -> None:
    connect = '40{"after":"e-0"}'
    posted = asked("/socket.io/?sid=a", f"content-length: {len(connect)}", method="POST", body=connect)
    missed = '42["missed",{"reason":"expired","cursor":"e-0"}]'
    pieces = [
        *polled(SESSION),
        *(posted, answered("200 OK", "content-length: 2", body="OK")),
        *polled('40{"sid":"b"}', '42["cursor",{"cursor":"e-0"}]', missed, f'42["message",{ONE}]'),
        *polled("2", "6"),
        *polled('44{"message":"no"}', "41", "1"),
    ]
    (found,) = await dissect(page, pieces)
    assert [body for body in packets(pieces, found) if body] == [
        [("engine_io", "0"), ("engine_io", SESSION[1:])],
        [("engine_io", "4"), ("socket_io", connect[1:])],
        [
            *[("engine_io", "4"), ("socket_io", '0{"sid":"b"}'), ("engine_io", "\x1e")],
            *[("engine_io", "4"), ("socket_io", '2["cursor",'), ("socket_io", '{"cursor":"e-0"}'), ("socket_io", "]")],
            *[("engine_io", "\x1e"), ("engine_io", "4"), ("socket_io", '2["missed",')],
            *[("socket_io", '{"reason":"expired","cursor":"e-0"}'), ("socket_io", "]"), ("engine_io", "\x1e")],
            *[("engine_io", "4"), ("socket_io", '2["message",'), ("message", ONE), ("socket_io", "]")],
        ],
        [("engine_io", "2"), ("engine_io", "\x1e"), ("engine_io", "6")],
        [
            *[("engine_io", "4"), ("socket_io", '4{"message":"no"}'), ("engine_io", "\x1e")],
            *[("engine_io", "4"), ("socket_io", "1"), ("engine_io", "\x1e"), ("engine_io", "1")],
        ],
    ]
    told = [fact for fact in facts(found) if fact["type"] not in ("request", "response")]
    assert told == [
        *[{"type": "handshake", "upgrades": ["websocket"]}, end(1)],
        *[{"type": "connect", "after": "e-0"}, end(2)],
        *[{"type": "connect", "after": None}, {"type": "position", "cursor": "e-0"}],
        *[{"type": "missed", "reason": "expired", "cursor": "e-0"}, {**end(3, "e-1", "e-1"), "missed": True}],
        *[{"type": "ping"}, {"type": "noop"}, {**end(4), "empty": True}],
        *[{"type": "refused", "why": "no"}, {"type": "goodbye"}, {"type": "goodbye"}, end(5)],
    ]
    assert await differing(page, pieces, [list(range(1, ends(pieces)[-1]))]) == []


async def test_packets_in_frames(page: Page) -> None:
    upgraded: list[Piece] = [asked("/socket.io/?transport=websocket"), answered("101 Switching Protocols")]
    exchange = [
        *[("up", "2probe"), ("down", "3probe"), ("up", "5"), ("down", "2"), ("up", "3")],
        *[("down", f'42["message",{ONE}]'), ("up", '420["publish",{"text":"長"}]')],
        *[("down", f"430[{TWO}]"), ("down", '431[{"error":"no"}]'), ("up", "41")],
    ]
    said = [(way, frame(1, text.encode(), MASK if way == "up" else b"")) for way, text in exchange]
    (found,) = await dissect(page, [*upgraded, *said])
    assert packets(said, found[2:]) == [
        *[[("engine_io", "2"), ("engine_io", "probe")], [("engine_io", "3"), ("engine_io", "probe")]],
        *[[("engine_io", digit)] for digit in "523"],
        [("engine_io", "4"), ("socket_io", '2["message",'), ("message", ONE), ("socket_io", "]")],
        [("engine_io", "4"), ("socket_io", '20["publish",'), ("publication", '{"text":"長"}'), ("socket_io", "]")],
        [("engine_io", "4"), ("socket_io", "30["), ("message", TWO), ("socket_io", "]")],
        [("engine_io", "4"), ("socket_io", "31["), ("socket_io", '{"error":"no"}'), ("socket_io", "]")],
        [("engine_io", "4"), ("socket_io", "1")],
    ]
    assert facts(found[2:]) == [
        *({"type": name} for name in ("probe", "probe", "switch", "ping", "pong")),
        {"type": "message", "cursor": "e-1"},
        *({"type": "publish"}, {"type": "acknowledged"}, {"type": "acknowledged", "error": "no"}, {"type": "goodbye"}),
    ]
    (strange,) = await dissect(page, [*upgraded, ("down", frame(1, b"9")), ("down", frame(1, b"6"))])
    assert types(strange)[3:] == ["unknown", "unknown"]


async def test_a_message_in_fragments_with_a_ping_between(page: Page) -> None:
    long = json.dumps({"cursor": "e-2", "text": "a" * 70_000}).encode()
    pieces: list[Piece] = [
        *UPGRADE,
        (
            "down",
            frame(9, b"")
            + frame(1, b"{}")
            + frame(1, ONE[:9].encode(), first=0)
            + frame(9, b"")
            + frame(0, b"", first=0),
        ),
        ("down", frame(0, ONE[9:].encode()) + frame(1, long)),
    ]
    (found,) = await dissect(page, pieces)
    assert types(found) == [*UPGRADED, "ping", "unknown", "ping", "message", "message"]
    headers = [part for part in found[2]["parts"] if part["kind"] == "frame_header"]
    assert [part["frame"]["fin"] for part in headers] == [True, True, False, True, False]
    said = "".join(text for kind, text in spelled(pieces[2:], found[2:]) if kind == "message")
    assert said == ONE + long.decode()
    assert found[3]["parts"][-2]["frame"]["header_bytes"] == 10


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([asked("/a"), answered("204 No Content")], [end(1)], id="204"),
        pytest.param([asked("/a"), answered("304 Not Modified", "content-length: 9")], [end(1)], id="304"),
        pytest.param([asked("/a", method="HEAD"), answered("200 OK", "content-length: 9")], [end(1)], id="HEAD"),
        pytest.param([asked("/a"), answered("200 OK", "content-length: 2", body="{}")], [end(1)], id="length"),
        pytest.param([asked("/a"), answered("200 OK", body="until the end")], [], id="until the end"),
        pytest.param(
            [asked("/a"), answered("100 Continue"), answered("200 OK", "content-length: 0")], [end(1)], id="100"
        ),
        pytest.param(
            [
                asked("/a"),
                answered(
                    "200 OK",
                    "Transfer-Encoding: gzip, chunked",
                    body="A;name=value\r\n0123456789\r\n0\r\nX: y\r\nZ: z\r\n\r\n",
                ),
            ],
            [end(1)],
            id="chunks with all that is allowed",
        ),
        pytest.param(
            [
                asked("/long-poll"),
                answered(
                    "200 OK",
                    "transfer-encoding: chunked",
                    body="".join(map(chunk, ('{"messages":', '[],"cursor":"x"}', ""))),
                ),
            ],
            [{**end(1, "x"), "empty": True}],
            id="a poll in chunks",
        ),
        pytest.param(
            [
                asked("/a", "Transfer-Encoding: chunked", method="POST", body=chunk("hello") + chunk("")),
                asked("/b", "Content-Length: 5", method="POST", body="hello"),
                asked("/c"),
                *(answered("201 Created", "content-length: 0") for _ in range(3)),
            ],
            [end(1), end(2), end(3)],
            id="pipelined",
        ),
    ],
)
async def test_heads_and_bodies(page: Page, pieces: list[Piece], expected: list[dict[str, Any]]) -> None:
    pieces = [*pieces, asked("/again")]
    (found,) = await dissect(page, pieces)
    assert [fact for fact in facts(found) if fact["type"] == "response_end"] == expected
    assert "unknown" not in types(found)
    assert types(found)[-1] == "request"
    assert await differing(page, pieces, [list(range(1, ends(pieces)[-1]))]) == []


# What is not understood


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([("up", b"\x16\x03\x01\x02\x00")], id="TLS"),
        pytest.param([("up", b"hello\r\n\r\n")], id="no method"),
        pytest.param([asked("a b")], id="no request line"),
        pytest.param([("up", b"GET " + b"a" * 2_000_000), ("up", b" HTTP/1.1\r\n\r\n")], id="a line without an end"),
        pytest.param([asked("/a"), ("down", b"SMTP\r\n")], id="no status line"),
        pytest.param([asked("/a"), answered("200 OK", "content-length: x", body="x")], id="no length"),
        pytest.param([asked("/a"), answered("200 OK", "content-length: 0.5", body="x")], id="half a byte"),
        pytest.param([asked("/a"), answered("200 OK", "transfer-encoding: chunked", body="x\r\n")], id="no chunk"),
    ],
)
async def test_after_what_is_not_understood_reading_resumes_at_a_request(page: Page, pieces: list[Piece]) -> None:
    body = '{"messages":[],"cursor":"e-2"}'
    again = [asked("/short-poll"), answered("200 OK", f"content-length: {len(body)}", body=body)]
    (found,) = await dissect(page, [*pieces, (pieces[-1][0], b"more"), *again])
    assert types(found)[-5:] == ["unknown", "unknown", "request", "response", "response_end"]
    assert [part["kind"] for part in found[-3]["parts"]] == ["unknown"]
    assert facts(found)[-1]["empty"]


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"\x83\x00", id="an opcode with no meaning"),
        pytest.param(b"\xc1\x00", id="a compressed frame"),
        pytest.param(frame(0, b"more"), id="more of nothing"),
    ],
)
async def test_a_frame_that_is_not_understood_leaves_the_other_direction_alone(page: Page, piece: bytes) -> None:
    message: Piece = ("down", frame(1, ONE.encode()))
    (found,) = await dissect(page, [*UPGRADE, ("down", piece), message, ("up", frame(1, b'{"text":"a"}', MASK))])
    assert types(found) == [*UPGRADED, "unknown", "unknown", "publish"]


async def test_where_pieces_were_lost_all_is_unknown_until_a_request(page: Page) -> None:
    message: Piece = ("down", frame(1, ONE.encode()))
    polling = asked("/short-poll")
    empty = answered("200 OK", "content-length: 30", body='{"messages":[],"cursor":"e-2"}')
    resync: Piece = ("resync", b"")
    found = await dissect(
        page,
        [polling, ("down", empty[1][:50]), resync, ("down", empty[1][60:]), polling, empty],
        [*UPGRADE, resync, message, ("up", frame(1, b"{}", MASK)), message, ("down", b""), *UPGRADE, message],
    )
    assert types(found[0]) == ["request", "response", "unknown", "request", "response", "response_end"]
    assert types(found[1]) == [*UPGRADED, *["unknown"] * 4, *UPGRADED, "message"]
    assert all(part["kind"] == "unknown" for one in found[1][3:6] for part in one["parts"])


async def test_what_is_too_long_to_be_remembered_is_skipped(page: Page) -> None:
    long = json.dumps({"cursor": "e-1", "text": "a" * 1_500_000}).encode()
    frames = frame(1, b'{"cursor":"e-0"}') + frame(1, long) + frame(1, TWO.encode())
    pieces = [*UPGRADE, *(("down", frames[start : start + 65_536]) for start in range(0, len(frames), 65_536))]
    stream = answered("200 OK", "content-type: text/event-stream", body=f"data: {long.decode()}\n\ndata: {TWO}\n\n")
    sockets, streaming = await dissect(page, pieces, [asked("/sse"), stream])
    assert types(sockets) == [*UPGRADED, "position", "unknown", "message"]
    assert types(streaming) == ["request", "response", "unknown", "message"]


async def test_nothing_makes_it_throw(page: Page, talks: dict[str, Talk]) -> None:
    """Noise; and real connections with bytes changed, lost, repeated and in the wrong order."""
    rng = random.Random(8)
    cases = []
    for _ in range(200):
        start = rng.choice(([], UPGRADE))
        noise: list[Piece] = [(rng.choice(("up", "down")), rng.randbytes(rng.randint(0, 300))) for _ in range(6)]
        cases.append([*start, *noise])
    short = [talk.pieces for talk in talks.values() if ends(talk.pieces)[-1] < 20_000]
    for _ in range(400):
        pieces = list(rng.choice(short))
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(pieces))
            direction, data = pieces[place]
            if data and rng.random() < 0.7:
                at = rng.randrange(len(data))
                noise_or_nothing = rng.choice((b"", rng.randbytes(1), rng.choice((b"\r\n", b'"', b"}", b"[", b"\x00"))))
                pieces[place] = direction, data[:at] + noise_or_nothing + data[at + 1 :]
            else:
                pieces[place : place + 1] = rng.choice(([], [pieces[place]] * 2, [("down", data)], [("up", data)]))
                pieces = pieces or [("up", b"")]
        cases.append(pieces)
    assert len(await dissect(page, *cases)) == len(cases)
