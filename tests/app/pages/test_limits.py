"""The limits page does what it says, in a real browser; what the server has really been asked is looked up there."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from app.link import Connection, Direction
from tests.browsing import ARGUMENTS, axe, browsing
from tests.serving import LIMIT_S, Running, eventually, serving

pytestmark = pytest.mark.anyio

expect.set_options(timeout=1000 * LIMIT_S)  # its own 5 s are not enough for everything on a busy computer


class Asked:
    """What of a page's experiments has reached the server, in order: an observer of the link."""

    def __init__(self) -> None:
        self.requests: list[tuple[Connection, str]] = []

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "up" and (asked := re.match(rb"GET /s/[^/ ]+/[^/ ]+/([a-z-]+)", data)):
            self.requests.append((connection, asked[1].decode()))

    def count(self, transport: str) -> int:
        return sum(one == transport for _, one in self.requests)

    def open(self) -> int:
        """How many streams, or questions without an answer, are still there."""
        last = dict(self.requests)
        unanswered = {"sse": True, "websocket": True}
        return sum(connection.closed_ns is None for connection, one in last.items() if unanswered.get(one))


@contextlib.asynccontextmanager
async def limits(
    chromium: Browser,
    settings: str = "",
    *,
    dark: bool = False,
    width: int = 1280,
    height: int = 720,
    expected: Collection[str] = (),
) -> AsyncIterator[tuple[Page, Asked, Running]]:
    asked = Asked()
    async with serving(observer=asked) as running:
        path = f"/limits?{settings}" if settings else "/limits"
        async with browsing(
            chromium, running, path=path, dark=dark, width=width, height=height, expected=expected
        ) as page:
            await expect(page.locator("#run-six")).not_to_have_attribute("aria-disabled", "true")
            yield page, asked, running


def says(page: Page, row: str) -> str:
    """Where the browser says what became of a row."""
    return f"tr:has(th:text-is('{row}')) td.browser"


async def ended(page: Page, name: str) -> str:
    """What is said of an experiment when it has ended."""
    await expect(page.locator(f"#{name} .picture-of")).to_have_attribute("data-state", "ended")
    return await page.inner_text(f"#verdict-{name}")


async def test_the_seventh_is_not_asked_until_one_is_closed(chromium: Browser) -> None:
    async with limits(chromium, "pause=12") as (page, asked, _):
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch wait")
        assert (asked.count("sse"), asked.count("short-poll")) == (6, 0)
        for i in range(1, 7):
            await expect(page.locator("#six").locator(says(page, f"EventSource {i}"))).to_contain_text("open after")
        for row in ("EventSource 7", "fetch"):
            await expect(page.locator(f"#six tr:has(th:text-is('{row}'))")).to_contain_text(
                re.compile("waiting.*not asked")
            )

        await page.click("#close-one")
        await eventually(lambda: asked.count("sse") == 7)
        await expect(page.locator("#verdict-six")).to_contain_text("The fetch waits")
        assert asked.count("short-poll") == 0
        await page.click("#close-one")
        await eventually(lambda: asked.count("short-poll") == 1)

        said = await ended(page, "six")
        assert "Six EventSources were open at the same time" in said
        assert re.search("EventSource 7 was kept back for .* and the fetch for .*: all that time, the server had", said)
        assert re.search("EventSource 7 was sent .* after EventSource 1 was closed and the fetch was sent", said)
        await eventually(lambda: asked.open() == 0)


async def test_left_alone_it_closes_by_itself_and_can_be_repeated(chromium: Browser) -> None:
    async with limits(chromium, "pause=0.1") as (page, asked, _):
        for count in (7, 14):
            await page.click("#run-six")
            await expect(page.locator("#run-six")).to_contain_text("Close all")
            assert "EventSource 7 was sent" in await ended(page, "six")
            assert (asked.count("sse"), asked.count("short-poll")) == (count, count / 7)
            await eventually(lambda: asked.open() == 0)


@pytest.mark.parametrize("by", ["button", "escape", "leaving"])
async def test_nothing_stays_open_when_it_is_ended(chromium: Browser, by: str) -> None:
    async with limits(chromium, "pause=12") as (page, asked, running):
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch wait")
        assert (asked.open(), asked.count("sse"), asked.count("short-poll")) == (6, 6, 0)
        if by == "leaving":
            await page.goto(f"{running.url}/limits/away?seconds=600")
        else:
            await (page.click("#run-six") if by == "button" else page.keyboard.press("Escape"))
            said = await ended(page, "six")
            assert said.startswith("Ended by you. ")
            # Closing all frees the places a moment before the browser has noticed that nobody waits any more.
            never = "was (never sent|sent only when all were closed)"
            assert re.search(f"EventSource 7 {never} and the fetch {never}", said)
        await eventually(lambda: asked.open() == 0)


async def test_websockets_open_while_the_six_places_are_taken(chromium: Browser) -> None:
    async with limits(chromium, "pause=12") as (page, asked, _):
        await page.click("#run-sockets")
        await expect(page.locator("#verdict-sockets")).to_contain_text("16 connections are open")
        assert (asked.count("sse"), asked.count("websocket"), asked.count("short-poll")) == (6, 10, 0)
        assert asked.open() == 16
        await page.keyboard.press("Escape")
        said = await ended(page, "sockets")
        assert "All ten WebSockets were open at the same time" in said
        assert "Meanwhile six EventSources had all the places" in said
        await eventually(lambda: asked.open() == 0)


async def test_websockets_alone(chromium: Browser) -> None:
    async with limits(chromium, "pause=0.1") as (page, asked, _):
        await page.uncheck("#option-six")
        assert page.url.endswith("six=0")
        await page.click("#run-sockets")
        assert "All ten WebSockets were open" in await ended(page, "sockets")
        assert (asked.count("websocket"), asked.count("sse")) == (10, 0)
        await eventually(lambda: asked.open() == 0)


@pytest.mark.parametrize("publish", ["1", "0"])
async def test_equal_questions_queue_unless_they_say_no_store(chromium: Browser, publish: str) -> None:
    answered: list[int] = []
    connections: dict[Connection, int] = {}
    order: list[str] = []

    def observe(connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "up" and b"/long-poll?after=" in data:
            connections[connection] = len(order)
            order.append("asked")
        elif direction == "down" and connection in connections and b'"messages"' in data:
            del connections[connection]
            answered.append(1)
            order.append("answered")

    async with (
        serving(observer=observe) as running,
        browsing(chromium, running, path=f"/limits?publish={publish}") as page,
    ):
        await page.click("#run-equal:not([aria-disabled])")
        said = await ended(page, "equal")
        assert order == ["asked", "answered"] * 2 + ["asked"] * 2 + ["answered"] * 2
        assert "Plain: the second was sent only when the first had its answer" in said
        assert "With no-store: both reached the server at once" in said
        assert said.endswith("no-store in the question takes it away.")
        assert ("found the message already there" in said) is (publish == "1")


@contextlib.asynccontextmanager
async def with_real_tabs(executable: str, profile: Path) -> AsyncIterator[Page]:
    """A page in a browser whose tabs hide each other.

    Playwright makes every page of a browser that it launches believe to be in front. So this one is launched without
    it, headless all the same, and `no_defaults` keeps it as it is.
    """
    browser = await asyncio.create_subprocess_exec(
        *(executable, *ARGUMENTS, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}"),
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        told = profile / "DevToolsActivePort"
        await eventually(lambda: told.exists() and told.read_text().count("\n"))
        port = told.read_text().split()[0]
        async with async_playwright() as playwright:
            connected = await playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", no_defaults=True)
            (context,) = connected.contexts
            context.set_default_timeout(LIMIT_S * 1000)
            yield context.pages[0]
            await (await connected.new_browser_cdp_session()).send("Browser.close")
        await browser.wait()
    finally:
        if browser.returncode is None:
            browser.kill()
            await browser.wait()


async def test_a_hidden_tab_ticks_less_and_misses_no_message(chromium_path: str, tmp_path: Path) -> None:
    """In a tab that is really hidden, by the page's own button. How much slower it gets is the browser's business."""
    asked = Asked()
    async with serving(observer=asked) as running, with_real_tabs(chromium_path, tmp_path) as page:
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{running.url}/limits?away=4")
        async with page.context.expect_page() as opening:
            await page.click("#run-hidden:not([aria-disabled])")
        other = await opening.value
        assert await page.evaluate("document.hidden")
        async with asyncio.timeout(LIMIT_S):
            if not other.is_closed():
                await other.wait_for_event("close")  # by itself
        said = await ended(page, "hidden")
        found = re.match(
            r"Hidden for [\d.]+ s: the timer that should tick (\d+) times did (\d+) times; "
            r"SSE delivered (\d+) of (\d+) messages, the slowest within",
            said,
        )
        assert found, said
        due, ticks, delivered, published = map(int, found.groups())
        assert ticks < due / 2
        assert delivered == published > 0
        assert await page.locator("#hidden .shade").count() == 3
        await eventually(lambda: asked.open() == 0)
        assert not complaints


async def test_a_tab_that_is_never_hidden_is_told_so(chromium: Browser) -> None:
    async with limits(chromium) as (page, asked, _):
        await page.click("#record-hidden")
        await eventually(lambda: asked.count("sse") == 1)
        await expect(page.locator("#hidden .lane.sse .count")).not_to_have_text("0")
        await page.keyboard.press("Escape")
        assert "This tab was never hidden" in await ended(page, "hidden")
        await eventually(lambda: asked.open() == 0)


async def test_without_another_tab_it_asks_for_one(chromium: Browser) -> None:
    async with limits(chromium) as (page, _, __):
        await page.evaluate("window.open = () => null")
        await page.click("#run-hidden")
        await expect(page.locator("#verdict-hidden")).to_contain_text("did not let this page open another tab")
        await page.keyboard.press("Escape")
        await ended(page, "hidden")


async def test_one_at_a_time_and_by_keyboard(chromium: Browser) -> None:
    async with limits(chromium, "pause=12") as (page, asked, _):
        await page.focus("#run-six")
        await page.keyboard.press("Enter")
        await expect(page.locator("#run-six")).to_contain_text("Close all")
        await expect(page.locator("#run-six")).to_be_focused()
        for other in ("run-sockets", "run-hidden", "record-hidden", "run-equal"):
            await expect(page.locator(f"#{other}")).to_have_attribute("aria-disabled", "true")
            await page.locator(f"#{other}").focus()
            await expect(page.locator(f"#{other}-tip")).to_be_visible()
            await expect(page.locator(f"#{other}-tip")).to_contain_text("one at a time")
            await page.keyboard.press("Enter")
        await page.keyboard.press("2")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch wait")
        assert (asked.count("websocket"), asked.count("long-poll")) == (0, 0)
        await page.keyboard.press("Escape")
        await ended(page, "six")
        await page.keyboard.press("4")
        await expect(page.locator("#run-equal")).to_contain_text("End it")
        await page.keyboard.press("Escape")
        await ended(page, "equal")


async def test_a_place_that_what_has_just_ended_still_keeps_is_waited_for(chromium: Browser) -> None:
    """As a browser keeps one that reads on in an answer that was broken off; here a held question does."""
    async with limits(chromium, "pause=12") as (page, asked, _):
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch wait")
        await page.evaluate("void fetch('/long-poll?hold=4')")  # gets its place when those of the run are free
        await page.keyboard.press("Escape")
        await ended(page, "six")
        await page.click("#run-sockets")
        await expect(page.locator("#verdict-sockets")).to_contain_text("connections are open")
        assert "16 connections are open" in await page.inner_text("#verdict-sockets")
        await page.keyboard.press("Escape")
        await ended(page, "sockets")
        await eventually(lambda: asked.open() == 0)


async def test_it_is_accessible_with_its_results(chromium: Browser) -> None:
    async with limits(chromium, "pause=12") as (page, _, __):
        await everywhere(page)
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch wait")
        await axe(page)  # while it runs, with the others' buttons disabled
        await page.keyboard.press("Escape")
        await ended(page, "six")
        await page.click("#run-sockets")
        await expect(page.locator("#verdict-sockets")).to_contain_text("16 connections are open")
        await page.keyboard.press("Escape")
        await page.click("#record-hidden")
        await expect(page.locator("#hidden .lane.sse .count")).not_to_have_text("0")
        await page.keyboard.press("Escape")
        await page.click("#run-equal")
        await expect(page.locator("#verdict-equal")).to_contain_text("Two equal questions, plain")
        await page.keyboard.press("Escape")
        await ended(page, "equal")
        await everywhere(page)


async def everywhere(page: Page) -> None:
    """The page is accessible, and no wider than its window, at every size, light and dark."""
    for width, height in ((1920, 1080), (1280, 720), (390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await axe(page)


async def test_when_the_server_is_lost_it_says_so(chromium: Browser) -> None:
    async with limits(chromium, "pause=12", expected=["ERR_INCOMPLETE_CHUNKED_ENCODING"]) as (page, asked, running):
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch wait")
        running.link.cut()
        await expect(page.locator("#verdict-six")).to_contain_text("The server was lost, so this says nothing")
        await expect(page.locator("#verdict-six")).to_contain_text("It is back: try again.")
        assert asked.open() == 0
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch wait")


VERDICTS = {
    # As another browser, or HTTP/2, would have it: what is said is what was seen.
    "all seven open": (
        "six",
        """rows.forEach((row, i) => set(row, 100 * i, 100 * i + 3, 100 * i + 5));
           rows.forEach(row => end(row, "closed", 9000));
           end(rows[7], "answered", 710);""",
        "All seven opened, and the fetch was answered as well: no limit here. This page came over HTTP/2",
    ),
    "other tabs hold two": (
        "six",
        """rows.slice(0, 4).forEach((row, i) => set(row, 100 * i, 100 * i + 3, 100 * i + 5));
           rows.slice(4).forEach((row, i) => set(row, 400 + 100 * i, null, null));
           rows.forEach(row => end(row, "closed", 5000));""",
        "other tabs of this site may hold the rest",
    ),
    "a slow server": (
        "six",
        """rows.forEach((row, i) => set(row, 100 * i, 100 * i + 3, i < 6 ? 100 * i + 5 : null));
           rows.forEach(row => end(row, "closed", 5000));""",
        "it was the server that was slow, and no limit",
    ),
    "the fetch gets through": (
        "sockets",
        """rows.forEach((row, i) => set(row, 100 * i, 100 * i + 3, 100 * i + 5));
           rows.forEach(row => end(row, "closed", 5000));""",
        "this shows no separate pool. This page came over HTTP/2",
    ),
    "both at once anyway": (
        "equal",
        """rows.forEach(row => set(row, 0, 3, 2000, 1999));
           rows.forEach(row => end(row, "answered", 2001));""",
        "This browser sends both at once anyway",
    ),
    "only one is asked": (
        "equal",
        """rows.forEach((row, i) => i % 2 ? set(row, 0, null, 2000) : set(row, 0, 3, 2000, 1999));
           rows.forEach(row => end(row, "answered", 2001));""",
        "the server was asked only once, and the browser gave that answer to both",
    ),
    "the lock's time is up": (
        "equal",
        """rows.forEach((row, i) => set(row, 0, i % 2 ? 20000 : 3, 30000, 30000));
           rows.forEach(row => end(row, "answered", 30001));""",
        "the second was sent 20.00 s after the first, while that was still held",
    ),
    "not slowed down": (
        "hidden",
        """for (let at_ms = 0; at_ms < 5000; at_ms += 100) recording.ticks_ms.push(at_ms);
           recording.look(true, 1000);
           recording.look(false, 3000);
           recording.message("a", { published_ms: 1500, arrived_ms: 1507 });""",
        "did 21 times: this browser did not slow it down in that time; SSE delivered 1 of 1 messages",
    ),
    "asleep altogether": (
        "hidden",
        """recording.look(true, 1000);
           recording.look(false, 91000);
           recording.message("a", { published_ms: 1500, arrived_ms: null });
           recording.message("b", { published_ms: 2500, arrived_ms: 2600 });""",
        "did 0 times, and slept for up to 90.00 s at a time; SSE delivered only 1 of 2 messages",
    ),
}


@pytest.mark.parametrize("case", VERDICTS)
async def test_what_is_said_is_what_was_seen(chromium: Browser, case: str) -> None:
    name, script, said = VERDICTS[case]
    async with limits(chromium) as (page, _, __):
        verdict = await page.evaluate(
            f"""async () => {{
                const {{ {name}: experiment }} = await import("/static/limits/{name}.js");
                const run = {{ rows: [], marks: [], sees: true, ended_ms: 99000 }};
                experiment.plan(run, {{ six: "1", publish: "1" }});
                const {{ rows, recording }} = run;
                const set = (row, asked_ms, reached_ms, began_ms, left_ms = null) =>
                  Object.assign(row, {{ asked_ms, reached_ms, began_ms, left_ms }});
                const end = (row, how, ended_ms) => Object.assign(row, {{ how, ended_ms }});
                {script}
                return experiment.verdict(run, "h2");
            }}"""
        )
        assert said in verdict
