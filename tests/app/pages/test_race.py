"""The race, in a browser: every lane gets every message, and what it says is what crossed the sockets."""

import asyncio
import contextlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page, expect

from app.link import Connection, Direction
from tests.browsing import axe, browsing
from tests.serving import LIMIT_S, TRANSPORTS, Running, ask, serving

pytestmark = pytest.mark.anyio

LOST = ("ERR_", "WebSocket connection to")
"""What a browser says in its console when the server breaks its connections."""

QUIET = "/race?session=hall&rate=0&pause=0.2"


class Tap:
    """Counts what crosses the sockets, by the path requested last: not as the page counts."""

    def __init__(self) -> None:
        self.total_bytes = Counter[str]()
        self.requests = Counter[str]()
        self.upgraded = False  # by Socket.IO's packet "5", in a frame with a mask: 7 bytes
        self._asked: dict[Connection, str] = {}

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "up" and (request := re.match(rb"(?:GET|POST) /s/hall/\w+/([a-z.-]+)", data)):
            self._asked[connection] = re.sub(r"[.-]", "_", request[1].decode())
            self.requests[self._asked[connection]] += 1
        if connection in self._asked:
            self.total_bytes[self._asked[connection]] += len(data)
            self.upgraded |= (self._asked[connection], direction, len(data)) == ("socket_io", "up", 7)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Return as soon as `condition()` is true; raises TimeoutError if it never is."""
    async with asyncio.timeout(LIMIT_S):
        while not await condition():  # noqa: ASYNC110  # the page can't signal them
            await asyncio.sleep(0.02)


async def publish(running: Running, *texts: str) -> list[str]:
    """Publish in the session; the messages' cursors."""
    answers = [
        await ask(running.port, "/s/hall/test/messages", body=json.dumps({"text": text}).encode(), method="POST")
        for text in texts
    ]
    return [json.loads(body)["cursor"] for _, body in answers]


async def lanes(page: Page) -> dict[str, dict[str, Any]]:
    """What each lane shows."""
    shown: dict[str, dict[str, Any]] = await page.evaluate("""Object.fromEntries(
        [...document.querySelectorAll(".lane")].map(lane => [lane.dataset.transport, {
            arrived: [...lane.querySelectorAll(".arrived")].map(mark => mark.dataset.cursor),
            flying: [...lane.querySelectorAll(".flying")].map(mark => mark.dataset.cursor),
            received: Number(lane.dataset.received),
            bytes: Number(lane.dataset.bytes),
            setup: Number(lane.dataset.setup),
            per_message: Number(lane.querySelector(".figure-bytes").dataset.value),
            median_ms: Number(lane.querySelector(".figure-median").dataset.value),
            requests: Number(lane.querySelector(".figure-requests").dataset.value.split(" ")[0]),
            empty: Number(lane.querySelector(".figure-requests").dataset.value.split(" ")[1]),
        }]))""")
    return shown


async def receiving(page: Page) -> None:
    """Every lane has begun: its first request has been seen, and nothing is said to be wrong."""

    async def begun() -> bool:
        return all(lane["requests"] for lane in (await lanes(page)).values())

    await until(begun)


async def set_up(page: Page, tap: Tap) -> None:
    """Every lane has begun, and shows all bytes of connections that are up: Socket.IO has upgraded."""
    pushed = [name for name in TRANSPORTS if "poll" not in name]

    async def shown() -> bool:
        begun = await lanes(page)
        return tap.upgraded and all(begun[name]["bytes"] == tap.total_bytes[name] > 0 for name in pushed)

    await until(shown)


async def arrived(page: Page, cursors: list[str]) -> None:
    """Every lane shows exactly these messages, in this order, and has counted each of them once."""

    async def there() -> bool:
        shown = (await lanes(page)).values()
        return all((lane["arrived"], lane["received"], lane["flying"]) == (cursors, len(cursors), []) for lane in shown)

    with contextlib.suppress(TimeoutError):  # what there is instead says more
        await until(there)
    for transport, lane in (await lanes(page)).items():
        assert (lane["arrived"], lane["received"]) == (cursors, len(cursors)), transport


async def test_every_lane_gets_every_message_and_says_what_crossed_its_sockets(chromium: Browser) -> None:
    tap = Tap()
    async with serving(observer=tap) as running, browsing(chromium, running, path=QUIET + "&delay=50") as page:
        await set_up(page, tap)
        before = dict(tap.total_bytes)  # what the pushing transports needed until they were ready
        cursors = [cursor for i in range(8) for cursor in await publish(running, f"message {i}")]
        await arrived(page, cursors)

        async def agree() -> bool:
            counted, requests = dict(tap.total_bytes), dict(tap.requests)
            shown = await lanes(page)
            return all(
                (shown[transport]["bytes"], shown[transport]["requests"]) == (counted[transport], requests[transport])
                for transport in TRANSPORTS
            )

        await until(agree)

        await page.keyboard.press("Space")
        shown = await lanes(page)
        assert tuple(shown) == TRANSPORTS
        for transport, lane in shown.items():
            assert lane["setup"] == (0 if "poll" in transport else before[transport]), transport
            assert lane["per_message"] == pytest.approx((lane["bytes"] - lane["setup"]) / len(cursors))
            assert lane["empty"] <= lane["requests"]
        assert (shown["sse"]["requests"], shown["sse"]["empty"]) == (1, 0)

        sentence = await page.locator("#verdict").inner_text()
        assert " 8 messages: " in sentence
        fastest_ms = min(lane["median_ms"] for lane in shown.values())
        most = max(lane["per_message"] for lane in shown.values())
        least = min(lane["per_message"] for lane in shown.values())
        slow, moved = (
            re.search(r"\(pause 0\.2 s\) (?:took )?([\d.]+) times", sentence),
            re.search(r"Per message, (?:short|long) polling took [\d.]+ k?B, ([\d.]+) times", sentence),
        )
        assert slow and moved, sentence
        assert float(slow[1]) == pytest.approx(shown["short_poll"]["median_ms"] / fastest_ms, abs=0.051)
        assert float(moved[1]) == pytest.approx(most / least, rel=0.05)
        assert "Set-up came on top, once: " in sentence
        await expect(page.locator("[aria-live]")).to_have_text(sentence)
        await page.keyboard.press("Space")
        await expect(page.locator("[aria-live]")).to_have_text("")


async def test_messages_are_told_in_order_over_every_transport(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path="/race?rate=0") as page:
        told = await page.evaluate("""async () => {
            const { join } = await import("/static/live/session.js");
            const told = { published: [] }, transports = ["short_poll", "long_poll", "sse", "websocket", "socket_io"];
            for (const transport of transports) told[transport] = [];
            const values = { session: "order", rate: 40, delay: 5, pause: 0.1, hold: 5 };
            await new Promise(done => join({ transports, values, on: {
                update(what, value) {
                    if (what === "published") told.published.push(value.cursor);
                    if (what === "arrived") told[value.transport].push(value.message.cursor);
                    if (Object.values(told).every(cursors => cursors.length >= 20)) done();
                },
                settings() {}, reset() {}, change() {},
            } }));
            return told;
        }""")
    for cursors in told.values():
        assert cursors[:20] == told["published"][:20]
        assert len(set(cursors)) == len(cursors)


async def test_by_keyboard_it_freezes_steps_and_continues(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=QUIET + "&delay=0") as page:
        await receiving(page)
        await page.keyboard.press("Space")
        await expect(page.get_by_role("button", name="Continue")).to_be_visible()
        assert "stopped=1" in page.url
        await page.keyboard.press("p")
        states: list[tuple[int, int]] = []

        async def all_here() -> bool:
            shown = (await lanes(page)).values()
            state = sum(len(lane["flying"]) for lane in shown), sum(len(lane["arrived"]) for lane in shown)
            if state not in states:
                states.append(state)
            await page.keyboard.press(".")
            return state == (0, 5)

        await until(all_here)
        assert states == [(0, 0), (5, 0), (4, 1), (3, 2), (2, 3), (1, 4), (0, 5)]
        (cursor,) = (await lanes(page))["sse"]["arrived"]
        cursors = [cursor, *await publish(running, "while it is frozen")]
        await page.keyboard.press("Space")
        await arrived(page, cursors)
        assert "stopped" not in page.url
        await page.keyboard.press("r")
        await arrived(page, [])
        await expect(page.locator("#verdict")).to_have_text(
            "No message has been published since the counters were reset."
        )


async def test_settings_are_in_the_address_and_reset_the_count(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=QUIET + "&delay=0&fast=1&hold=x") as page:
        await expect(page.locator(".status")).to_contain_text("Unknown setting fast; known: pause, hold")
        await expect(page.locator(".status")).to_contain_text("hold=x is not a number")
        await receiving(page)
        await arrived(page, await publish(running, "before"))
        for slider, key, expected in (
            ("pause", "ArrowRight", "pause=0.5"),
            ("hold", "ArrowLeft", "hold=10"),
            ("delay", "ArrowRight", "delay=10"),
            ("rate", "End", "rate=10"),
        ):
            await page.locator(f"#{slider}").press(key)
            await page.wait_for_url(f"**{expected}*")
            if slider != "rate":
                await arrived(page, [])
                await arrived(page, await publish(running, f"after {expected}"))
        await page.locator("#session").fill("another")
        await page.locator("#session").press("Enter")
        await page.wait_for_url("**session=another*")
        await expect(page.locator("label[for=pause] output")).to_have_text("0.5 s")
        await expect(page.locator(".status")).to_contain_text("shared as “another”")


async def test_a_cut_loses_nothing(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=QUIET + "&delay=0", expected=LOST) as page:
        await receiving(page)
        cursors = await publish(running, "before", "the", "cut")
        await arrived(page, cursors)
        running.link.cut()
        cursors += await publish(running, "while", "nobody", "is", "connected")
        await expect(page.locator(".status")).to_contain_text("The server can't be reached")
        await arrived(page, cursors)
        await expect(page.locator(".status")).to_contain_text("The connection to the server was lost")
        before = await lanes(page)
        cursors += await publish(running, "all bytes are seen again")
        await arrived(page, cursors)

        async def seen() -> bool:
            return all(lane["bytes"] > before[name]["bytes"] for name, lane in (await lanes(page)).items())

        await until(seen)


async def test_a_restart_resets_the_count(chromium: Browser) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(contextlib.AsyncExitStack())
        running = await first.enter_async_context(serving())
        page = await stack.enter_async_context(
            browsing(chromium, running, path=QUIET + "&delay=0", expected=(*LOST, "503", "400"))
        )
        await receiving(page)
        await arrived(page, await publish(running, "before"))
        await first.aclose()
        await expect(page.locator(".status")).to_contain_text("The server can't be reached")
        running = await first.enter_async_context(serving(port=running.port))
        await expect(page.locator(".status")).to_contain_text("A new log has begun")
        await arrived(page, [])
        await receiving(page)
        await arrived(page, await publish(running, "after"))


async def test_nothing_moves_with_reduced_motion(chromium: Browser) -> None:
    path = "/race?session=hall&rate=0&pause=60&delay=0"
    async with serving() as running, browsing(chromium, running, path=path, reduced_motion=True) as page:
        await receiving(page)
        (cursor,) = await publish(running, "one")

        async def pushed() -> bool:
            return all(
                lane["arrived"] == [cursor] for name, lane in (await lanes(page)).items() if name != "short_poll"
            )

        await until(pushed)
        await expect(page.locator("[data-transport=short_poll].lane")).to_contain_text("0 of 1 here")
        await expect(page.locator(".flying")).to_have_count(0)


async def test_only_the_last_marks_are_kept(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=QUIET + "&delay=0&stopped=1") as page:
        await receiving_news(page)
        await publish(running, *["one of many"] * 310)
        await page.keyboard.press("Space")

        async def all_here() -> bool:
            return all(lane["received"] == 310 for lane in (await lanes(page)).values())

        await until(all_here)
        assert {len(lane["arrived"]) for lane in (await lanes(page)).values()} == {300}


async def receiving_news(page: Page) -> None:
    """The page is frozen from its beginning, so that only a step shows anything new."""

    async def begun() -> bool:
        await page.keyboard.press(".")
        return all(lane["requests"] for lane in (await lanes(page)).values())

    await until(begun)


@pytest.fixture(scope="module")
async def frozen(chromium: Browser) -> AsyncIterator[Page]:
    """A race with six messages, stopped: for tests that only look at it."""
    async with serving() as running, browsing(chromium, running, path=QUIET + "&delay=0", limit_s=None) as page:
        await receiving(page)
        await arrived(page, await publish(running, *"abcdef"))
        await page.keyboard.press("Space")
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_accessible(frozen: Page, scheme: Literal["light", "dark"]) -> None:
    await frozen.emulate_media(color_scheme=scheme)
    await axe(frozen)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720), (390, 844)])
async def test_nothing_covers_anything(frozen: Page, width: int, height: int) -> None:
    await frozen.set_viewport_size({"width": width, "height": height})
    track = await frozen.wait_for_function(
        "() => { const { width } = document.querySelector('.track').getBoundingClientRect();"
        " return Math.abs(document.querySelector('.track svg').getBoundingClientRect().width - width) < 12; }"
    )
    assert track
    found = await frozen.evaluate("""() => {
        const buttons = innerWidth > 900 ? ".bar button, " : ""; // or they stay in sight, over what is scrolled
        const things = [`nav a, nav button, h1, .sentence, .control, ${buttons}.status p, .heads > *`,
            ".axis text, .lane h2, .who p, .track, .lane dd, .lane dt, #verdict"].join();
        const box = element => ({ element, ...element.getBoundingClientRect().toJSON() });
        const boxes = [...document.querySelectorAll(things)].map(box).filter(box => box.width > 1);
        const name = box => box.element.outerHTML.slice(0, 60);
        const shared = (a, b) => Math.min(Math.min(a.right, b.right) - Math.max(a.left, b.left),
            Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
        const overlaps = boxes.flatMap((a, i) => boxes.slice(i + 1)
            .filter(b => !a.element.contains(b.element) && shared(a, b) > 1).map(b => `${name(a)} and ${name(b)}`));
        const outside = boxes.filter(box => box.left < 0 || box.right > innerWidth + 0.5).map(name);
        return { overlaps, outside, verdict: document.querySelector("#verdict").getBoundingClientRect().bottom };
    }""")
    assert (found["overlaps"], found["outside"]) == ([], [])
    if width > 900:
        assert found["verdict"] <= height


def lane(title: str, median_ms: float, **more: object) -> dict[str, object]:
    """What a lane has to say to the verdict: all is well unless `more` says otherwise."""
    well = {"aside": "", "received": 21, "waiting": 0, "missed": 0, "perMessage": 200, "setup": 0}
    polls = {"requests": 1, "empty": 0}
    return {"title": title, "median_ms": median_ms, **well, **polls, **more}


def race(*others: dict[str, object], **more: object) -> dict[str, object]:
    return {"over_s": 42, "published": 21, "kept": 2000, "lanes": [lane("SSE", 200), *others], **more}


START = "Over 42 s and 21 messages: "
VERDICTS: list[tuple[dict[str, object], str]] = [
    (
        race(
            lane("WebSocket", 201),
            lane("Long polling", 225, perMessage=600, requests=21),
            lane("Short polling", 1240, perMessage=820, requests=19, empty=11, aside="pause 2 s"),
        ),
        START + "SSE was as fast as WebSocket, with a median of 200 to 201 ms; long polling took 1.1 times that, "
        "short polling (pause 2 s) 6.2 times. Per message, short polling took 820 B, 4.1 times the 200 B of SSE; "
        "long polling sent 21 requests, none of them empty.",
    ),
    # The fastest; within 10 % or 5 ms it is a tie.
    (
        race(lane("WebSocket", 221)),
        START + "SSE was fastest, with a median of 200 ms; WebSocket took 1.1 times that.",
    ),
    (race(lane("WebSocket", 220)), START + "SSE was as fast as WebSocket, with a median of 200 to 220 ms."),
    (
        race(lane("WebSocket", 100)),
        START + "WebSocket was fastest, with a median of 100 ms; SSE took 2.0 times that.",
    ),
    (
        race(lane("A", 1.4), lane("B", 2.9), lanes=[lane("A", 1.4), lane("B", 2.9)]),
        "A was as fast as B, with a median of 1.4 to 2.9 ms.",
    ),
    (
        race(lane("A", 1.4), lane("B", 9.6), lanes=[lane("A", 1.4), lane("B", 9.6)]),
        "A was fastest, with a median of 1.4 ms; B took 8.2 ms more.",
    ),
    (
        race(lane("A", -0.1), lane("B", 20), lanes=[lane("A", -0.1), lane("B", 20), lane("C", 30)]),
        "A was fastest, with a median of -0.1 ms; B took 20 ms more, C 30 ms.",
    ),
    (
        race(lane("B", 200), lane("C", 200)),
        START + "SSE and B were as fast as C, with a median of 200 ms. A message took",
    ),
    (race(lane("WebSocket", 20_000)), "WebSocket took 100 times that."),
    # Bytes and requests.
    (race(lane("WebSocket", 200, perMessage=220)), "A message took about as many bytes on all of them."),
    (race(lane("WebSocket", 200, perMessage=220.2)), "Per message, WebSocket took 220 B, 1.1 times the 200 B of SSE."),
    (race(lane("WebSocket", 200, perMessage=100)), "Per message, SSE took 200 B, 2.0 times the 100 B of WebSocket."),
    (race(lane("Long polling", 200, requests=9)), "on all of them; long polling sent 9 requests, none of them empty."),
    (
        race(lane("Short polling", 200, perMessage=800, requests=1234, empty=1)),
        "short polling took 800 B, 4.0 times the 200 B of SSE; it sent 1,234 requests, 1 of them empty.",
    ),
    (race(lane("A b", 200, requests=9, empty=2)), "a b sent 9 requests, 2 of them empty."),
    (race(lane("A b", 200, requests=9, empty=9)), "a b sent 9 requests, all of them empty."),
    # Setting up a connection is no message's cost.
    (
        race(lane("Socket.IO", 200, perMessage=204, setup=2140), lane("SSE", 200, perMessage=190, setup=790)),
        "A message took about as many bytes on all of them. "
        "Set-up came on top, once: 2.14 kB for Socket.IO and 790 B for SSE.",
    ),
    # Too little to say.
    (race(published=0), "No message has been published since the counters were reset."),
    (
        race(lanes=[lane("SSE", 200, received=4)], published=4),
        "4 messages: too few for a verdict, which takes 5 on each",
    ),
    (
        race(lane("Short polling", 900, received=4, waiting=17)),
        START + "too few for a verdict, which takes 5 on each transport: short polling has 4. "
        "Short polling still waits for 17.",
    ),
    (race(lane("Short polling", 900, received=5)), "short polling took 4.5 times that."),
    (race(lanes=[lane("SSE", float("nan"), received=0)], published=1), "Over 42 s and 1 message: too few"),
    # Lanes that have not received everything.
    (race(lane("A", 200, waiting=2)), "on all of them. A still waits for 2."),
    (race(lane("A", 200, waiting=2), lane("B", 200, waiting=1)), "on all of them. A still waits for 2 and B for 1."),
    (
        race(lanes=[lane("A", 200, waiting=1), lane("B", 200, waiting=1)]),
        "on all of them. All still wait for the last one.",
    ),
    (
        race(lanes=[lane("A", 200, waiting=3), lane("B", 200, waiting=3)]),
        "on all of them. All still wait for the last 3.",
    ),
    (race(lanes=[lane("A", 200, waiting=3), lane("B", 200, waiting=2)]), "All still wait for the last 2, A for 3."),
    (race(lane("Long polling", 200, missed=7)), "on all of them. Long polling missed 7."),
    # How long, and of how many.
    (race(over_s=99.4), "Over 99 s and"),
    (race(over_s=725, published=36_000), "Over 12 min 5 s and 36,000 messages: "),
    (race(lane("A", 200, received=2001)), "21 messages (medians: the last 2,000): "),
]


async def test_the_sentence_is_chosen_by_the_numbers(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path="/race?rate=0") as page:
        said = await page.evaluate(
            'async cases => cases.map((await import("/static/words/verdict.js")).verdict)',
            [case for case, _ in VERDICTS],
        )
    for text, (case, wanted) in zip(said, VERDICTS, strict=True):
        assert wanted in text, case
