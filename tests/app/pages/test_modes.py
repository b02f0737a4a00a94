"""Each transport's page, in a real browser, against what the server's tap and log really saw."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from app import sessions
from app.link import Connection, Direction
from tests import ROOT
from tests.browsing import axe, browsing
from tests.serving import LIMIT_S, TRANSPORTS, Running, eventually, path, serving

pytestmark = pytest.mark.anyio

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
CUT = ("net::ERR_", "WebSocket connection to")
"""What the console says of a connection that was cut."""
BLOCKED = (*CUT, "400")
"""And where WebSocket is refused."""


EMPTY = re.compile(rb'\{"messages":\[\],|1\r\n[26]\r\n0\r\n')
"""An empty response; for Socket.IO one packet, ping or noop, that is all of a response in chunks."""


class Tap:
    """An observer that knows nothing of sessions: all bytes of all connections, and which of them were a page's."""

    def __init__(self) -> None:
        self.pieces: dict[int, list[tuple[Direction, bytes]]] = {}

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        self.pieces.setdefault(connection.number, []).append((direction, data))

    def of(self, transport: str) -> dict[str, Any]:
        """Requests, connections and bytes of the transport, counted by hand from what passed the sockets."""
        counted = {"requests": 0, "connections": 0, "up": 0, "down": 0, "empty": 0}
        for pieces in self.pieces.values():
            ours = seen = False
            for direction, data in pieces:
                if direction == "up" and (head := re.match(rb"[A-Z]+ (\S+) HTTP/1.1\r\n", data)):
                    ours = re.match(rf"/s/\w+/\w+{re.escape(path(transport))}(\?|$)", head[1].decode()) is not None
                    counted["requests"] += ours
                    counted["connections"] += ours and not seen
                    seen |= ours
                if ours:
                    counted[direction] += len(data)
                    counted["empty"] += direction == "down" and len(EMPTY.findall(data))
        return counted


def mode(transport: str, **settings: object) -> str:
    """The address of a mode's page: no messages by itself and no delay, unless said otherwise."""
    known = {"rate": 0, "delay": 0, **({"pause": 0.1} if transport == "short_poll" else {}), **settings}
    return f"/modes/{transport.replace('_', '-')}?" + "&".join(f"{name}={value}" for name, value in known.items())


async def count(page: Page, name: str) -> str:
    value = await page.get_attribute(f"#count-{name}", "data-value")
    assert value is not None
    return value


async def until(page: Page, condition: str) -> None:
    """Wait until a JavaScript expression is true."""
    await page.wait_for_function(f"() => {condition}")


async def ready(page: Page) -> None:
    """Wait until the page receives: until then, what is published is not its business."""
    await until(page, "document.querySelectorAll('.arrow').length > 0")


async def press(page: Page, key: str, times: int = 1) -> None:
    for _ in range(times):
        await page.keyboard.press(key)


async def arrived(page: Page, number: int) -> None:
    await until(page, f"document.getElementById('count-messages').dataset.value >= {number}")


async def way(page: Page, *labels: str) -> None:
    """Wait until the list says all of this, in this order."""
    await page.wait_for_function(
        "labels => [...document.querySelectorAll('.wire-list .what')]"
        ".reduce((left, { innerText }) => innerText.includes(left[0]) ? left.slice(1) : left, labels).length === 0",
        arg=labels,
    )


async def in_order(page: Page, newest: int) -> None:
    """Wait until the newest message has crossed the socket; all did, from the first on, each once and in order."""
    numbers: list[str] = []
    while str(newest) not in numbers:
        numbers = await page.eval_on_selector_all(
            ".wire-list .what",
            "rows => rows.flatMap(row => row.textContent.match(/messages? ([0-9, ]+)/)?.[1].split(', ') ?? [])",
        )
    assert numbers == [str(number) for number in range(1, newest + 1)]


async def settled(page: Page, tap: Tap, transport: str) -> dict[str, Any]:
    """What the page counts, as soon as it is what the tap counts; fails with both if it never is."""
    names = ("requests", "connections", "up", "down", "empty")
    shown: dict[str, int] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIMIT_S):
            while True:
                before = tap.of(transport)
                shown = {name: int(await count(page, name)) for name in names}
                if shown == before == tap.of(transport):
                    return shown
    raise AssertionError(f"the page counts {shown}, the tap {tap.of(transport)}")


async def selects(page: Page, arrow: str) -> None:
    """Wait until the arrow is chosen, in the diagram and in the list."""
    await until(page, f"document.querySelector('.arrow.selected')?.dataset.id === '{arrow}'")
    await until(page, f"document.querySelector('.wire-list [aria-selected=true]')?.id === 'piece-{arrow}'")


async def slide(page: Page, name: str, value: float) -> None:
    """Move a slider by keyboard until it stands at `value`."""
    await page.focus(f"#{name}")
    await press(page, "Home")
    while not (await page.get_attribute(f"#{name}", "aria-valuetext") or "").startswith(f"{value:g} "):
        before = await page.input_value(f"#{name}")
        await press(page, "ArrowRight")
        assert await page.input_value(f"#{name}") != before, f"{name} has no {value:g}"


@every_transport
async def test_the_page_receives_every_message_in_order_and_counts_what_the_tap_counts(
    chromium: Browser, transport: str
) -> None:
    tap = Tap()
    slow = {"pause": 1} if transport == "short_poll" else {}  # its counters stand still long enough to compare
    async with (
        serving(observer=tap) as running,
        browsing(chromium, running, path=mode(transport, **slow)) as page,
    ):
        await ready(page)
        await press(page, "p", 5)
        await arrived(page, 5)
        await settled(page, tap, transport)
        await until(page, "document.querySelectorAll('.ladder .message .arrived').length === 5")
        await in_order(page, 5)


@every_transport
async def test_the_diagram_and_the_wire_show_the_very_bytes(chromium: Browser, transport: str) -> None:
    tap = Tap()
    async with serving(observer=tap) as running, browsing(chromium, running, path=mode(transport)) as page:
        await ready(page)
        await press(page, "p")
        await arrived(page, 1)
        await press(page, "Space")
        passed = [b"".join(data for _, data in pieces) for pieces in tap.pieces.values()]
        arrows = await page.eval_on_selector_all(".arrow", "arrows => arrows.map(arrow => arrow.dataset.id)")
        listed = await page.eval_on_selector_all(".wire-list li", "rows => rows.map(row => row.id)")
        before = len(listed) - len(arrows)  # what the picture has left behind, if it has moved on
        assert arrows
        assert listed[before:] == [f"piece-{arrow}" for arrow in arrows]
        # Every arrow, by keyboard: its bytes are bytes of the tap.
        await page.focus(".wire-list")
        for i in range(len(arrows)):
            await press(page, "Home")
            await press(page, "ArrowDown", before + i)
            await selects(page, arrows[i])
            parts = await page.eval_on_selector_all(
                ".part:not(.frame_header, .mask) code", "codes => codes.map(code => code.innerText)"
            )
            assert parts
            for part in parts:
                if "⊕ mask" in part:
                    continue
                text = part.replace("\n", "").replace("\\r", "\r").replace("\\n", "\n")
                assert any(text.encode() in data for data in passed) or part == "1e", part
        # The other way round, by a click into the diagram.
        await page.locator(".arrow.update .target").first.dispatch_event("click")
        await selects(page, str(await page.locator(".arrow.update").first.get_attribute("data-id")))
        message = await page.inner_text(".part.message code")
        assert json.loads(message)["text"].startswith("published by hand")


async def test_frames_are_taken_apart(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=mode("websocket")) as page:
        await ready(page)
        await press(page, "p")
        await arrived(page, 1)
        await until(page, "document.querySelector('.part.frame_header .fields')")
        head = await page.inner_text(".part.frame_header code")
        fields = await page.inner_text(".part.frame_header .fields")
        length = len(running.log.newest.epoch) and len((await page.inner_text(".part.message code")).encode())
        assert bytes.fromhex(head) == bytes([0x81, length])
        assert " ".join(fields.split()) == f"FIN 1 opcode 1 text mask 0 length {length}"


async def test_the_pause_changes_how_often_it_polls(chromium: Browser) -> None:
    tap = Tap()
    async with (
        serving(observer=tap) as running,
        browsing(chromium, running, path=mode("short_poll", pause=30)) as page,
    ):
        await ready(page)
        assert tap.of("short_poll")["requests"] == 1
        await slide(page, "pause", 0.1)
        await eventually(lambda: tap.of("short_poll")["requests"] > 10)
        assert "pause=0.1" in page.url
        await slide(page, "pause", 30)
        # And the counters are reset; a request that was just on its way may count, too.
        await until(page, "['1', '2'].includes(document.getElementById('count-requests').dataset.value)")
        assert "pause=30" in page.url


async def test_a_held_request_gets_an_empty_response_when_the_hold_ends(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=mode("long_poll", hold=1)) as page:
        await until(page, "document.getElementById('count-empty').dataset.value >= 1")
        assert "The hold time is up: the server sends an empty response" in await page.inner_text(".told")
        assert await page.locator(".held").count() >= 1


async def side_by_side(pages: Mapping[str, Page], action: Callable[[Page], Awaitable[None]]) -> None:
    """Do the same on every transport's page at once, because most of it is waiting for the page's own timers."""

    async def noted(transport: str, page: Page) -> None:
        try:
            await action(page)
        except Exception as problem:
            problem.add_note(f"on the page of {transport}")
            raise

    async with asyncio.TaskGroup() as tasks:
        for transport, page in pages.items():
            tasks.create_task(noted(transport, page))


async def opened(
    stack: contextlib.AsyncExitStack, chromium: Browser, running: Running, expected: Collection[str]
) -> dict[str, Page]:
    """A page of each transport, in a session of its own, ready, for as long as the stack lasts; it shows a minute."""
    pages = {
        transport: await stack.enter_async_context(
            browsing(chromium, running, path=mode(transport, seconds=60), expected=expected, limit_s=None)
        )
        for transport in TRANSPORTS
    }
    await side_by_side(pages, ready)
    return pages


async def test_a_cut_connection_is_resumed_without_loss(chromium: Browser) -> None:
    async def cut(page: Page) -> None:
        await press(page, "p", 2)
        await arrived(page, 2)
        await press(page, "x")
        await press(page, "p", 3)  # while it is not connected, or no request is at the server
        await arrived(page, 5)
        await press(page, "p")
        await arrived(page, 6)
        assert "✕ cut" in (await page.text_content(".ladder") or "")
        assert int(await count(page, "messages")) == 6

    async with serving() as running, contextlib.AsyncExitStack() as stack:
        await side_by_side(await opened(stack, chromium, running, CUT), cut)


async def test_what_a_cut_keeps_from_leaving_is_lost_and_not_counted(chromium: Browser) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, path=mode("sse", delay=1000), expected=CUT) as page,
    ):
        await ready(page)
        await way(page, "you are at")  # all of how its response begins
        before = int(await count(page, "down"))
        await press(page, "p")
        await until(page, f"document.getElementById('count-down').dataset.value > {before}")
        await press(page, "x")
        await until(page, "document.querySelectorAll('.arrow.lost').length > 0")
        assert int(await count(page, "down")) <= before
        await slide(page, "delay", 0)
        await arrived(page, 1)


async def test_a_held_request_is_no_lost_connection(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=mode("long_poll", hold=60)) as page:
        await until(page, "/held for [1-9]/.test(document.querySelector('.ladder')?.textContent)")
        assert not await page.locator(".notice").count()


async def test_a_page_restored_from_the_browsers_cache_continues(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=mode("websocket"), expected=CUT) as page:
        await ready(page)
        await press(page, "p")
        await arrived(page, 1)
        await page.goto(running.url)
        await page.go_back()
        await until(page, "document.querySelectorAll('.arrow').length > 0 && !document.querySelector('.notice')")
        messages = int(await count(page, "messages"))
        await press(page, "p")
        await arrived(page, messages + 1)


async def test_a_page_whose_session_has_ended_says_so_and_continues(
    chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "UNWATCHED_S", 0.0)
    async with serving() as running, browsing(chromium, running, path=mode("long_poll"), expected=CUT) as page:
        await ready(page)
        await press(page, "p")
        await arrived(page, 1)
        running.link.cut()
        await until(page, "document.querySelector('.ladder')?.textContent.includes('new log')")
        await until(page, "!document.querySelector('.notice')")
        await press(page, "p")
        await arrived(page, 1)


async def test_a_lost_server_is_reported_and_found_again(chromium: Browser) -> None:
    async def published(page: Page) -> None:
        await press(page, "p", 2)
        await arrived(page, 2)

    async def gone(page: Page) -> None:
        await page.wait_for_selector("text=The server can't be reached")

    async def back(page: Page) -> None:
        await until(page, "!document.querySelector('.notice')")
        await until(page, "document.querySelector('.ladder')?.textContent.includes('new log')")
        await until(page, "document.getElementById('count-messages').dataset.value === '0'")  # the counters are reset
        await press(page, "p")
        await arrived(page, 1)

    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(contextlib.AsyncExitStack())
        running = await first.enter_async_context(serving())
        pages = await opened(stack, chromium, running, (*CUT, "Failed to load resource"))
        await side_by_side(pages, published)
        await first.aclose()
        await side_by_side(pages, gone)
        await stack.enter_async_context(serving(port=running.port))
        await side_by_side(pages, back)


async def test_stop_step_and_continue(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=mode("sse")) as page:
        await way(page, "GET", "you are at")  # the request, and all of how its response begins
        await press(page, "Space")
        assert "stopped=1" in page.url
        arrows = await page.locator(".arrow").count()
        for things in (3, 6):
            await press(page, "p")
            await until(page, f"document.querySelector('.zoom .stopped').innerText.includes('{things} waiting')")
        assert await page.locator(".arrow").count() == arrows
        for number in (1, 2):
            for what in ("is published", "leaves at once", "reached the browser"):
                await press(page, ".")
                said = f"Message {number} {what}"
                await until(page, f"document.querySelector('.told li:first-child').innerText.startsWith('{said}')")
        await press(page, "p")
        await press(page, "Space")
        await arrived(page, 3)
        assert "stopped=1" not in page.url


async def test_messages_and_their_bytes_begin_to_count_at_the_same_moment(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=mode("sse")) as page:
        await ready(page)
        await press(page, "p")
        await until(page, "document.querySelectorAll('.ladder .message .arrived').length === 1")
        await arrived(page, 1)  # and so has the response's head: nothing is on its way
        await press(page, "Space")
        for things in (3, 6, 9):  # one by one: messages that are written together would be fewer pieces
            await press(page, "p")
            await until(page, f"document.querySelector('.zoom .stopped').innerText.includes('{things} waiting')")
        await press(page, "r")
        await press(page, "Space")
        await until(page, "document.querySelectorAll('.ladder .message .arrived').length === 4")
        assert [await count(page, name) for name in ("messages", "up", "down")] == ["0", "0", "0"]
        await press(page, "p")
        await arrived(page, 1)
        assert await count(page, "messages") == "1"
        assert 100 < int(await count(page, "down")) < 200


async def test_the_keys_work_right_after_a_click_and_a_button_reached_by_keyboard_stays_a_button(
    chromium: Browser,
) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, path=mode("sse"), expected=CUT) as page,
    ):
        await ready(page)
        stopped = "(document.querySelector('.zoom .stopped').innerText !== '')"
        for button in ("publish", "cut", "reset", "closer"):
            await page.click(f"#{button}")
            if button == "cut":
                await until(page, "document.querySelectorAll('.ladder line.mark').length === 2")  # and its connection
            before = str(running.log.newest), len(await page.locator(".ladder line.mark").all())
            await press(page, "Space")
            await until(page, stopped)
            assert (str(running.log.newest), len(await page.locator(".ladder line.mark").all())) == before, button
            await press(page, "Space")
            await until(page, f"!({stopped})")
        # A control reached by Tab does what it does on every platform.
        await page.focus("#cut")
        await press(page, "Shift+Tab")
        assert await page.evaluate("document.activeElement.id") == "publish"
        messages = int(await count(page, "messages"))
        await press(page, "Space")
        await arrived(page, messages + 1)
        await press(page, "Enter")
        await arrived(page, messages + 2)
        assert not await page.evaluate(stopped)
        assert await page.evaluate("document.activeElement.id") == "publish"


SPOTS = """() => {
    const box = one => ({ ...one.getBoundingClientRect().toJSON(), text: one.textContent });
    const texts = [...document.querySelectorAll(".ladder text, .zoom > *")].map(box).filter(one => one.width);
    const shared = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
    const covers = (a, b) => shared(a, b, "left", "right") > 1 && shared(a, b, "top", "bottom") > 4;
    return texts.flatMap((a, i) => texts.slice(i + 1).filter(b => covers(a, b)).map(b => `${a.text} and ${b.text}`));
}"""
"""Which texts in and over the ladder cover each other; lines may touch, for a box is higher than its letters."""


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720), (390, 844)])
async def test_no_text_of_the_picture_covers_another(chromium: Browser, width: int, height: int) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, path=mode("sse", delay=10), width=width, height=height, expected=CUT) as page,
    ):
        await until(page, "/open for [1-9]/.test(document.querySelector('.ladder')?.textContent)")
        await press(page, "p")
        await arrived(page, 1)
        await press(page, "Space")
        await until(page, "/message 1/.test(document.querySelector('.ladder')?.textContent)")
        assert await page.evaluate(SPOTS) == []
        await press(page, "p", 60)
        # Published and arrived, and the pieces that brought them: fewer than messages if some were written together.
        await until(page, "/1[2-8]\\d waiting/.test(document.querySelector('.zoom .stopped').innerText)")
        assert await page.evaluate(SPOTS) == []
        (line,) = await page.eval_on_selector_all(
            ".zoom .stopped", "all => all.map(one => one.getClientRects().length)"
        )
        assert line == 1
        await press(page, "Space")
        await press(page, "x")
        await arrived(page, 61)
        await press(page, "p")
        await arrived(page, 62)
        await press(page, "Space")
        assert await page.evaluate(SPOTS) == []


@pytest.mark.parametrize("path", [mode("short_poll"), "/race?rate=0"])
async def test_on_a_phone_the_buttons_are_in_sight(chromium: Browser, path: str) -> None:
    async with serving() as running, browsing(chromium, running, path=path, width=390, height=844) as page:
        await page.wait_for_selector("#step")
        for button in await page.locator(".actions button").all():
            box = await button.bounding_box()
            assert box and box["y"] >= 0 and box["y"] + box["height"] <= 844
            top = "([x, y]) => document.elementFromPoint(x, y).closest('button')?.id"
            middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
            assert await page.evaluate(top, middle) == await button.get_attribute("id")
        # Nothing is under them for good.
        await page.evaluate("scrollTo(0, document.body.scrollHeight)")
        last = "document.querySelector('main').lastElementChild.getBoundingClientRect().bottom"
        assert await page.evaluate(f"{last} <= document.querySelector('.actions').getBoundingClientRect().top")


async def test_with_reduced_motion_it_steps(chromium: Browser) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, path=mode("sse"), reduced_motion=True) as page,
    ):
        await until(page, "/[1-9][0-9]* waiting/.test(document.querySelector('.zoom .stopped').innerText)")
        assert await page.locator(".arrow").count() == 0
        await press(page, ".")
        await until(page, "document.querySelectorAll('.arrow').length === 1")


async def test_settings_in_the_address_hold_and_wrong_ones_are_reported(chromium: Browser) -> None:
    wrong = "/modes/short-poll?interval=0.5&rate=2&delay=100&hold=3&seconds=abc&rate=3"
    async with serving() as running, browsing(chromium, running, path=wrong) as page:
        await ready(page)
        for name, said in (("pause", "0.5 s"), ("rate", "2 /s"), ("delay", "100 ms")):
            assert await page.get_attribute(f"#{name}", "aria-valuetext") == said
        notices = await page.locator(".notice").all_inner_texts()
        assert notices == [
            "rate is given more than once; using the first, 2.",
            "seconds=abc is not a number from 0 to 120; using 0.",
            "Unknown setting hold; known: pause, rate, delay, seconds, session, stopped, answer.",
        ]


async def test_two_pages_do_not_disturb_each_other_unless_they_share(chromium: Browser) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, path=mode("sse", session="room")) as one,
        browsing(chromium, running, path=mode("websocket", session="room", rate=0.1)) as two,
        browsing(chromium, running, path=mode("sse", delay=50)) as alone,
    ):
        for page in (one, two, alone):
            await ready(page)
        await until(two, "document.getElementById('rate').getAttribute('aria-valuetext') === 'none'")  # the room's
        await slide(one, "delay", 500)
        await until(two, "document.getElementById('delay').getAttribute('aria-valuetext') === '500 ms'")
        assert "delay=500" in two.url
        await press(one, "p")
        await arrived(two, 1)
        await arrived(one, 1)
        assert await count(alone, "messages") == "0"
        assert await alone.get_attribute("#delay", "aria-valuetext") == "50 ms"
        assert int(await count(two, "connections")) == 1


async def test_the_end_of_a_long_log_is_not_its_beginning(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=mode("sse", session="room")) as one:
        await ready(one)
        await press(one, "p", 20)
        await arrived(one, 20)
        async with browsing(chromium, running, path=mode("short_poll", session="room")) as two:
            await ready(two)
            await press(two, "p")
            await arrived(two, 1)
            assert await count(two, "messages") == "1"
            assert await two.locator(".message .published").count() == 1


# One page of each transport, for tests that do not mind what the others did with it


@pytest.fixture(scope="module", params=TRANSPORTS)
async def shared(chromium: Browser, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Page, str]]:
    """A page that receives, and its transport."""
    pause = {"pause": 1} if request.param == "short_poll" else {}
    path = mode(request.param, delay=100, **pause)
    async with (
        serving() as running,
        browsing(chromium, running, path=path, expected=CUT, limit_s=None) as page,
    ):
        await ready(page)
        yield page, request.param


async def set_to(page: Page, *, delay_ms: float, shown: bool) -> None:
    """As if it had just been opened, with this delay, and with the delays shown or still to be guessed."""
    await slide(page, "delay", delay_ms)
    button = "Just show me" if shown else "Ask me again"
    if await page.locator(f"text={button}").count():
        await page.click(f"text={button}")
    await press(page, "r")
    await until(page, "document.getElementById('count-messages').dataset.value === '0'")


def source(file: str) -> str:
    return (ROOT / file).read_text()


async def test_the_code_shown_is_the_code_that_runs(shared: tuple[Page, str]) -> None:
    page, transport = shared
    await until(page, "document.querySelectorAll('#code pre').length === 2")
    server, browser = await page.locator("#code pre").all_text_contents()
    assert server == source(f"app/transports/{transport}.py")
    assert browser == source(f"app/pages/static/clients/{transport}.js")


async def test_the_prediction_comes_before_the_result(shared: tuple[Page, str]) -> None:
    page, transport = shared
    await set_to(page, delay_ms=100, shown=False)
    assert await page.inner_text("#count-median") == "?"
    assert await page.locator(".delays").count() == 0
    right = {"short_poll": "700 ms"}.get(transport, "100 ms")
    await page.click(f".options button:text-is('{right}')")
    assert "Right." in await page.inner_text(".prediction")
    assert "answer=shown" in page.url
    await press(page, "p", 2)
    await arrived(page, 2)
    await until(page, "document.querySelectorAll('.delays .bar').length > 0")
    assert "over 2 messages" in await page.inner_text(".delays")
    await page.click("text=Ask me again")
    wrong = await page.locator(".options button").all_inner_texts()
    await page.click(f".options button:text-is('{next(text for text in wrong if text != right)}')")
    assert "Not quite." in await page.inner_text(".prediction")


async def test_the_delay_is_in_what_is_measured(shared: tuple[Page, str]) -> None:
    page, _ = shared
    await set_to(page, delay_ms=300, shown=True)
    await press(page, "p")
    await arrived(page, 1)
    slow_ms = float(await count(page, "delay"))
    assert slow_ms >= 299
    if await page.locator("#pause").count():
        await slide(page, "pause", 0.1)
    await set_to(page, delay_ms=0, shown=True)
    await press(page, "p")
    await arrived(page, 1)  # whatever was still on its way with the old delay is over
    await press(page, "r")
    await until(page, "document.getElementById('count-messages').dataset.value === '0'")
    for number in range(1, 21):  # a busy machine may be late, but not every time
        await press(page, "p")
        await arrived(page, number)
        if float(await count(page, "delay")) < slow_ms / 2:
            return
    pytest.fail("the delay is still there")


async def test_every_transports_page_is_accessible(shared: tuple[Page, str]) -> None:
    page, _ = shared
    await set_to(page, delay_ms=0, shown=False)
    await press(page, "p", 2)
    await arrived(page, 2)
    await press(page, "x")
    await axe(page)
    await page.click("text=Just show me")
    for width, height, least in ((1920, 1080, 18), (1280, 720, 15), (390, 844, 14)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        smallest = await page.evaluate(
            "Math.min(...[...document.querySelectorAll('main :is(p, li, dd, dt, td, label, button, .ladder text)')]"
            ".map(one => parseFloat(getComputedStyle(one).fontSize)))"
        )
        assert smallest >= least
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await axe(page)
    await page.set_viewport_size({"width": 1280, "height": 720})


# Socket.IO, and a network where WebSocket does not get through


async def through(page: Page, upgrades: str) -> None:
    """Choose whether WebSocket gets through."""
    await page.select_option("#upgrades", upgrades)


UPGRADING = ("handshake", "a session", "upgrade", "101", "2probe", "3probe", "5: upgrade")


async def test_socket_io_upgrades_and_says_how(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=mode("socket_io")) as page:
        await way(page, *UPGRADING)
        await press(page, "p")
        await arrived(page, 1)
        await until(page, "document.querySelector('.part.message')")
        message = await page.inner_text(".part.message code")
        (header,) = await page.locator(".part.frame_header .fields").all_inner_texts()
        assert header.endswith(f"length {len(message.encode()) + 14}")
        assert await page.inner_text(".part.engine_io code") == "4"
        assert await page.locator(".part.socket_io code").all_inner_texts() == ['2["message",', "]"]


@pytest.mark.parametrize(("via", "sockets"), [("websocket", 1), ("polling", 0)])
async def test_socket_io_does_only_one_of_the_two(chromium: Browser, via: str, sockets: int) -> None:
    tap = Tap()
    async with (
        serving(observer=tap) as running,
        browsing(chromium, running, path=mode("socket_io", via=via)) as page,
    ):
        await way(page, "you are at")
        await press(page, "p", 3)
        await arrived(page, 3)
        await settled(page, tap, "socket_io")
        asked = b"".join(data for pieces in tap.pieces.values() for way, data in pieces if way == "up")
        assert asked.count(b"&transport=websocket") == sockets
        assert (asked.count(b"&transport=polling") == 0) == (via == "websocket")


def websockets(running: Running) -> int:
    """How many are open: the feed is one."""
    return sum(connection.upgraded for connection in running.link.connections.values())


every_blocked_network = pytest.mark.parametrize("upgrades", ["refuse", "cut"])


@every_blocked_network
async def test_socket_io_falls_back_to_polling_and_returns_without_loss_or_repeat(
    chromium: Browser, upgrades: str
) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, path=mode("socket_io"), expected=BLOCKED) as page,
    ):
        await way(page, *UPGRADING)
        await press(page, "p", 2)
        await arrived(page, 2)
        await through(page, upgrades)
        await press(page, "p", 3)  # while it is not connected
        await way(page, *UPGRADING, "handshake", "upgrade")  # in vain
        await in_order(page, 5)
        assert "stays with polling" in await page.inner_text(".status")
        assert websockets(running) == 1
        await press(page, "p")
        await way(page, "200 · message 6")
        await through(page, "pass")
        await way(page, "200 · message 6", *UPGRADING)
        assert websockets(running) == 2
        await press(page, "p")
        await in_order(page, 7)


@every_blocked_network
async def test_a_websocket_that_does_not_get_through_just_fails(chromium: Browser, upgrades: str) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, path=mode("websocket"), expected=BLOCKED) as page,
    ):
        await ready(page)
        await press(page, "p")
        await arrived(page, 1)
        await through(page, upgrades)
        await press(page, "p", 2)
        await until(page, "document.getElementById('count-requests').dataset.value >= 2")  # in vain
        await until(page, "document.querySelector('.status').innerText.includes('nothing can arrive')")
        assert await count(page, "messages") == "0"
        assert f"upgrades={upgrades}" in page.url
        await through(page, "pass")
        await arrived(page, 2)
        await in_order(page, 3)
        assert not await page.locator(".notice").count()


async def test_the_network_of_a_shared_session_is_everybodys(chromium: Browser) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, path=mode("websocket", session="room"), expected=BLOCKED) as one,
        browsing(chromium, running, path=mode("socket_io", session="room"), expected=BLOCKED) as two,
        browsing(chromium, running, path=mode("sse", session="room")) as three,
    ):
        await ready(one)
        await way(two, *UPGRADING)
        await ready(three)
        await through(one, "refuse")
        await until(two, "document.getElementById('upgrades').value === 'refuse'")
        await way(two, *UPGRADING, "handshake", "400")
        await slide(three, "delay", 10)  # a page that has no such switch leaves it as it is
        await until(two, "document.getElementById('delay').getAttribute('aria-valuetext') === '10 ms'")
        assert await two.input_value("#upgrades") == "refuse"
        assert "upgrades=refuse" in two.url and "upgrades" not in three.url
        await press(three, "p")
        await arrived(two, 1)
        await arrived(three, 1)
        assert await count(one, "messages") == "0"


async def test_everything_is_reached_by_keyboard(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, path=mode("short_poll")) as page:
        await ready(page)
        reached = set()
        for _ in range(60):
            await press(page, "Tab")
            reached.add(
                await page.evaluate(
                    "document.activeElement.id || document.activeElement.className || document.activeElement.innerText"
                )
            )
        assert reached >= {
            "pause",
            "rate",
            "delay",
            "publish",
            "cut",
            "stop",
            "step",
            "reset",
            "theme",
            "wire-list",
            "wire-detail",
            "quiet",
        }
        await page.focus("#pause")
        assert await page.is_visible("#pause-tip")
        await page.focus("#publish")
        assert await page.is_visible("#publish-tip") and not await page.is_visible("#pause-tip")
