"""wire.js names every byte as the ledger does, however the bytes are cut into pieces, in a real browser."""

import asyncio
import base64
import contextlib
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
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
from experiments.ledger import explain
from experiments.recording import Connection
from tests.browsing import browsing
from tests.serving import LIMIT_S, TRANSPORTS, Running, Wire, eventually, serving
from tests.witness import Witness

pytestmark = pytest.mark.anyio

WIRE = FOLDER / "static" / "wire.js"

Piece = tuple[str, bytes]
"""A direction and bytes; or `resync`, which says that pieces were lost."""

TEXTS = ("short", "a" * 120, "長輪詢" * 60, '"}],{\\', "\x00" * 11_000)
"""Messages for frames with each length of length, with characters of more than a byte, and with JSON's own marks."""

CATEGORIES = {
    **dict.fromkeys(("request_line", "request_header", "head_end", "status_line", "response_header"), "head"),
    **dict.fromkeys(("body", "sse_field", "frame_payload", "request_body"), "around"),
    **dict.fromkeys(("frame_header", "mask"), "frame"),
    **dict.fromkeys(("request_head", "response_head"), "head"),
    **dict.fromkeys(("poll_body", "control", "publication"), "around"),
    "message": "payload",
}
"""What wire.js and the ledger call the same bytes, where they do not use the same word."""

HARNESS = """async source => {
  const { Connection } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const bytes = text => Uint8Array.from(atob(text), character => character.charCodeAt(0));

  const read = (connection, direction, piece) => {
    const { parts, facts } = connection.read(direction, piece);
    let end = 0;
    for (const part of parts) {
      if (part.start !== end || part.end <= part.start) throw new Error(`not covered: ${JSON.stringify(parts)}`);
      if (!/^[^ ].{4,}$/.test(part.note) || /undefined|NaN|object/.test(part.note)) throw new Error(part.note);
      end = part.end;
    }
    if (end !== piece.length) throw new Error(`${end} of ${piece.length} bytes are covered`);
    return { parts, facts };
  };

  globalThis.dissect = cases => cases.map(pieces => {
    const connection = new Connection();
    return pieces.map(([direction, data]) => {
      if (direction === "resync") return connection.resync(), { parts: [], facts: [] };
      return read(connection, direction, bytes(data));
    });
  });

  // What was said of the bytes in each direction, and what happened, in all pieces together.
  const summary = pieces => {
    const connection = new Connection();
    const said = { up: [], down: [] }, facts = [];
    for (const [direction, piece] of pieces) {
      const found = read(connection, direction, piece);
      for (const { kind, start, end } of found.parts) {
        const last = said[direction].at(-1);
        if (last?.kind === kind) last.size += end - start;
        else said[direction].push({ kind, size: end - start });
      }
      facts.push(...found.facts);
    }
    return JSON.stringify([said, facts]);
  };

  const cut = (pieces, at) => {
    let passed = 0, next = 0;
    return pieces.flatMap(([direction, piece]) => {
      const parts = [];
      let start = 0;
      for (; at[next] < passed + piece.length; next++) {
        parts.push([direction, piece.subarray(start, at[next] - passed)]);
        start = at[next] - passed;
      }
      passed += piece.length;
      return [...parts, [direction, piece.subarray(start)]];
    });
  };

  // Which ways to cut the same bytes make a difference.
  globalThis.differing = ([pieces, cuttings]) => {
    const whole = pieces.map(([direction, data]) => [direction, bytes(data)]);
    const expected = summary(whole);
    return cuttings.filter(at => summary(cut(whole, at)) !== expected);
  };
}"""


@pytest.fixture(scope="module")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """An empty page that has loaded wire.js."""
    page = await chromium.new_page()
    await page.evaluate(HARNESS, WIRE.read_text())
    yield page
    await page.close()


async def dissect(page: Page, *cases: Sequence[Piece]) -> list[list[dict[str, Any]]]:
    """What wire.js returns for every piece of every case; it is covered exactly, with notes that make sense."""
    found: list[list[dict[str, Any]]] = await page.evaluate("dissect", [encoded(case) for case in cases])
    return found


async def differing(page: Page, pieces: Sequence[Piece], cuttings: Iterable[Sequence[int]]) -> list[list[int]]:
    """Those of `cuttings` that make a difference to what is said of all bytes and of what happened.

    A cutting is a list of places to cut at, counted over all pieces; those in the same direction are joined before.
    """
    found: list[list[int]] = await page.evaluate("differing", [encoded(joined(pieces)), list(cuttings)])
    return found


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
        (part["kind"], part.get("text", data[part["start"] : part["end"]].decode("latin-1")))
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
        """Where a cut leaves open what a WebSocket's text is: `{"` begins a message, and what was missed."""
        frames = any(b"101 Switching" in data for _, data in self.pieces)
        data = b"".join(data for _, data in self.pieces)
        missed = [match.start() for match in re.finditer(rb'\{"missed"', data) if frames]
        return {place + more for place in missed for more in (1, 2)}


async def by_client(running: Running, transport: str, profile: str) -> None:
    """A client of ours reads messages, alone and in bursts, and asks in vain if it is one that asks."""
    pause = {"pause_s": 0.005} if transport == "short_poll" else {}
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
            await fetch("/messages", { method: "POST", body: JSON.stringify({ text: "posted" }) });
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
        for target, lines in (("/short-poll?after=x", {}), ("/nowhere", {}), ("/sse?after=x", {}), ("/", evil)):
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
    """Publications and questions, all sent before the first answer."""
    bodies = [json.dumps({"text": text}).encode() for text in TEXTS[:4]]
    head = f"POST /messages HTTP/1.1\r\nHost: {running.host}\r\nContent-Length: %d\r\n\r\n".encode()
    question = f"GET /short-poll?after=0 HTTP/1.1\r\nHost: {running.host}\r\n\r\n".encode()
    async with Wire.to(running.port) as wire:
        await wire.send(b"".join(head % len(body) + body + question for body in bodies))
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


@pytest.fixture(scope="module")
async def talks(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Talk]:
    """Connections of every kind, by what is said on them."""
    sessions: dict[str, Callable[[Running], Awaitable[None]]] = {
        **{
            f"{profile} {transport}": partial(by_client, transport=transport, profile=profile)
            for transport in TRANSPORTS
            for profile in ("library", "raw")
        },
        "chromium": partial(by_browser, chromium=chromium),
        "refusals": by_refusals,
        "pipeline": by_pipeline,
        "frames": by_frames,
        "strangers": by_strangers,
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


async def test_every_byte_is_what_the_ledger_says(page: Page, talks: dict[str, Talk]) -> None:
    found = await dissect(page, *(talk.pieces for talk in talks.values()))
    for (name, talk), pieces in zip(talks.items(), found, strict=True):
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
        if name.split()[1] in TRANSPORTS:
            assert cursors == talk.published, name


def messages(found: Sequence[dict[str, Any]]) -> list[str]:
    """The cursors of all messages that arrived."""
    told = [[fact["cursor"]] if fact["type"] == "message" else fact.get("messages", []) for fact in facts(found)]
    return [cursor for cursors in told for cursor in cursors]


async def test_it_does_not_matter_how_the_bytes_are_cut(page: Page, talks: dict[str, Talk]) -> None:
    rng = random.Random(7)
    for name, talk in talks.items():
        size = sum(len(data) for _, data in talk.pieces)
        undecided = talk.undecided()
        places = [place for place in range(1, size) if place not in undecided]
        some = [sorted(rng.sample(places, min(rng.randint(1, 60), len(places)))) for _ in range(20)]
        everywhere = [[place] for place in places] if size < 6_000 else []
        as_they_came = [place for place in ends(talk.pieces) if place not in undecided]
        assert await differing(page, talk.pieces, [as_they_came, *some, *everywhere, places]) == [], name
