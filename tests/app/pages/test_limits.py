"""The limits page does what it says, in a real browser; what has really reached the server is looked up there."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Collection, Coroutine
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from app.link import Connection, Direction
from tests.browsing import ARGUMENTS, axe, browsing
from tests.serving import LIMIT_S, Running, eventually, serving

pytestmark = pytest.mark.anyio

expect.set_options(timeout=1000 * LIMIT_S)  # its own 5 s are not enough for everything on a busy computer


class Requests:
    """What of a page's experiments has reached the server, in order: an observer of the link."""

    def __init__(self) -> None:
        self.requests: list[tuple[Connection, str]] = []

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "up" and (target := re.match(rb"GET /s/[^/ ]+/[^/ ]+/([a-z-]+)", data)):
            self.requests.append((connection, target[1].decode()))

    def count(self, transport: str) -> int:
        return sum(one == transport for _, one in self.requests)

    def open(self) -> int:
        """How many streams are still open."""
        last = dict(self.requests)
        return sum(connection.closed_ns is None for connection, one in last.items() if one in ("sse", "websocket"))


@contextlib.asynccontextmanager
async def limits(
    chromium: Browser,
    settings: str = "",
    *,
    dark: bool = False,
    width: int = 1280,
    height: int = 720,
    expected: Collection[str] = (),
) -> AsyncIterator[tuple[Page, Requests, Running]]:
    requests = Requests()
    async with serving(observer=requests) as running:
        path = f"/limits?{settings}" if settings else "/limits"
        async with browsing(
            chromium, running, path=path, dark=dark, width=width, height=height, expected=expected
        ) as page:
            await expect(page.locator("#run-six")).not_to_have_attribute("aria-disabled", "true")
            yield page, requests, running


async def together(*scenes: Coroutine[Any, Any, None]) -> None:
    """All of them at the same time, each at a server of its own: most of what they do is to wait for a real browser."""
    async with asyncio.TaskGroup() as group:
        for scene in scenes:
            group.create_task(scene)


def says(page: Page, row: str) -> str:
    """Where the browser says what became of a row."""
    return f"tr:has(th:text-is('{row}')) td.browser"


async def ended(page: Page, name: str) -> str:
    """What is said of an experiment when it has ended."""
    await expect(page.locator(f"#{name} .picture-of")).to_have_attribute("data-state", "ended")
    return await page.inner_text(f"#verdict-{name}")


async def test_the_seventh_is_not_sent_until_one_is_closed(chromium: Browser) -> None:
    async with limits(chromium, "pause=12") as (page, requests, _):
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch are waiting")
        assert (requests.count("sse"), requests.count("short-poll")) == (6, 0)
        for i in range(1, 7):
            await expect(page.locator("#six").locator(says(page, f"EventSource {i}"))).to_contain_text("open after")
        for row in ("EventSource 7", "fetch"):
            await expect(page.locator(f"#six tr:has(th:text-is('{row}'))")).to_contain_text(
                re.compile("waiting.*not yet")
            )

        await page.click("#close-one")
        await eventually(lambda: requests.count("sse") == 7)
        await expect(page.locator("#verdict-six")).to_contain_text("The fetch is waiting")
        assert requests.count("short-poll") == 0
        await page.click("#close-one")
        await eventually(lambda: requests.count("short-poll") == 1)

        said = await ended(page, "six")
        assert "Six EventSources were open at the same time" in said
        assert re.search("EventSource 7 waited .* and the fetch waited .* All that time, they had not reached", said)
        assert re.search("EventSource 7 was sent .* after EventSource 1 was closed and the fetch was sent", said)
        await eventually(lambda: requests.open() == 0)


async def test_nothing_stays_open_when_it_is_stopped(chromium: Browser) -> None:
    async def stopped(by: str) -> None:
        async with limits(chromium, "pause=12") as (page, requests, running):
            await page.click("#run-six")
            await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch are waiting")
            assert (requests.open(), requests.count("sse"), requests.count("short-poll")) == (6, 6, 0)
            if by == "leaving":
                await page.goto(f"{running.url}/limits/away?seconds=600")
            else:
                await (page.click("#run-six") if by == "button" else page.keyboard.press("Escape"))
                said = await ended(page, "six")
                assert said.startswith("You stopped it. ")
                assert "EventSource 7 and the fetch were never sent." in said
            await eventually(lambda: requests.open() == 0)

    await together(stopped("button"), stopped("escape"), stopped("leaving"))


STOP_WHEN = """([row, state]) => new Promise(done => {
    const look = () => {
        const rows = [...document.querySelectorAll("#six tr")];
        const { textContent } = rows.find(one => one.querySelector("th")?.textContent === row);
        if (!new RegExp(state).test(textContent)) return requestAnimationFrame(look);
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
        done();
    };
    document.getElementById("run-six").click();
    look();
})"""
"""In the page itself: on a busy computer, a key that is pressed from outside comes too late."""


@pytest.mark.parametrize(
    ("moment", "row", "state"),
    [
        ("before anything opened", "EventSource 1", ""),
        ("while they open", "EventSource 2", "open after"),
        ("while the seventh waits", "EventSource 7", r"waiting (0\.[89]|1)"),
    ],
)
async def test_stopped_at_any_moment_words_and_picture_agree(
    chromium: Browser, moment: str, row: str, state: str
) -> None:
    async with limits(chromium, "pause=12") as (page, requests, _):
        await page.evaluate(STOP_WHEN, [row, state])
        said = await ended(page, "six")
        await eventually(lambda: requests.open() == 0)
        never = await page.locator("#six tr:has(td.server:text-is('never')) th").all_inner_texts()
        if moment == "while the seventh waits":
            assert "EventSource 7" in never
            assert "Six EventSources were open at the same time. EventSource 7 waited" in said
            assert "EventSource 7 was never sent." in said
        else:
            assert re.fullmatch(
                r"You stopped it\. (No|Two|Three) EventSources had opened so far\. "
                r"That is too early to show a limit: let it run\.",
                said,
            )


async def test_what_is_sent_only_because_all_was_closed_is_not_shown_as_sent(chromium: Browser) -> None:
    async with limits(chromium) as (page, _, __):
        reached = await page.evaluate(
            """async () => {
                const { Row, Run } = await import("/static/limits/run.js");
                const run = new Run({ uncertainty_ms: 0.1 }, 60_000, () => {});
                const early = new Row("sse", 1), late = new Row("sse", 2);
                run.rows = [early, late];
                for (const row of run.rows) row.requested_ms = performance.now();
                const before_ms = performance.now();
                await new Promise(done => setTimeout(done, 5));
                run.end("you");
                run.reached("sse", "1/1", before_ms); // the tap tells it late
                run.reached("sse", "2/1", performance.now() + 10);
                return [early.sent_ms !== null, late.sent_ms !== null];
            }"""
        )
        assert reached == [True, False]


async def test_websockets_open_while_the_six_connections_are_taken(chromium: Browser) -> None:
    async with limits(chromium, "pause=12") as (page, requests, _):
        await page.click("#run-sockets")
        await expect(page.locator("#verdict-sockets")).to_contain_text("16 connections are open")
        assert (requests.count("sse"), requests.count("websocket"), requests.count("short-poll")) == (6, 10, 0)
        assert requests.open() == 16
        await page.keyboard.press("Escape")
        said = await ended(page, "sockets")
        assert "All ten WebSockets were open at the same time" in said
        assert "Meanwhile six EventSources held all HTTP/1.1 connections" in said
        await eventually(lambda: requests.open() == 0)


async def test_websockets_alone(chromium: Browser) -> None:
    async with limits(chromium, "pause=0.1") as (page, requests, _):
        await page.uncheck("#option-six")
        assert page.url.endswith("six=0")
        await page.click("#run-sockets")
        assert "All ten WebSockets were open" in await ended(page, "sockets")
        assert (requests.count("websocket"), requests.count("sse")) == (10, 0)
        await eventually(lambda: requests.open() == 0)


async def test_identical_requests_queue_unless_they_say_no_store(chromium: Browser) -> None:
    async def queued(settings: str, *, message_found: bool) -> None:
        connections: set[Connection] = set()
        order: list[str] = []

        def observe(connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
            if direction == "up" and b"/long-poll?after=" in data:
                connections.add(connection)
                order.append("request")
            elif direction == "down" and connection in connections and b'"messages"' in data:
                connections.remove(connection)
                order.append("response")

        async with (
            serving(observer=observe) as running,
            browsing(chromium, running, path=f"/limits?{settings}") as page,
        ):
            await page.click("#run-equal:not([aria-disabled])")
            said = await ended(page, "equal")
            assert order == ["request", "response"] * 2 + ["request"] * 2 + ["response"] * 2
            assert "Plain: the second request was sent only when the first had its response" in said
            assert "With no-store: both requests reached the server at once" in said
            assert said.endswith("no-store in the request avoids the lock.")
            assert ("found the message already there" in said) is message_found

    await together(
        queued("publish=1", message_found=True),
        queued("publish=0&hold=1", message_found=False),
    )


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
    requests = Requests()
    async with serving(observer=requests) as running, with_real_tabs(chromium_path, tmp_path) as page:
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
            r"Hidden for [\d.]+ s: the timer ticked (\d+) times instead of (\d+)\. "
            r"SSE delivered (\d+) of (\d+) messages, the slowest after",
            said,
        )
        assert found, said
        ticks, due, delivered, published = map(int, found.groups())
        assert ticks < due / 2
        assert delivered == published > 0
        assert await page.locator("#hidden .shade").count() == 3
        await eventually(lambda: requests.open() == 0)
        assert not complaints


async def test_a_tab_that_is_never_hidden_is_told_so(chromium: Browser) -> None:
    async with limits(chromium) as (page, requests, _):
        await page.click("#record-hidden")
        await eventually(lambda: requests.count("sse") == 1)
        await expect(page.locator("#hidden .lane.arrivals .count")).not_to_have_text("0")
        await page.keyboard.press("Escape")
        assert "This tab was never hidden" in await ended(page, "hidden")
        await eventually(lambda: requests.open() == 0)


async def test_without_another_tab_it_asks_for_one(chromium: Browser) -> None:
    async with limits(chromium) as (page, _, __):
        await page.evaluate("window.open = () => null")
        await page.click("#run-hidden")
        await expect(page.locator("#verdict-hidden")).to_contain_text("did not let this page open another tab")
        await page.keyboard.press("Escape")
        await ended(page, "hidden")


async def test_one_at_a_time_and_by_keyboard(chromium: Browser) -> None:
    async with limits(chromium, "pause=12") as (page, requests, _):
        await page.focus("#run-six")
        await page.keyboard.press("Enter")
        await expect(page.locator("#run-six")).to_contain_text("Close all")
        await expect(page.locator("#run-six")).to_be_focused()
        for other in ("run-sockets", "run-hidden", "record-hidden", "run-equal"):
            await expect(page.locator(f"#{other}")).to_have_attribute("aria-disabled", "true")
            await page.locator(f"#{other}").focus()
            await expect(page.locator(f"#{other}-tip")).to_be_visible()
            await expect(page.locator(f"#{other}-tip")).to_contain_text("One at a time")
            await page.keyboard.press("Enter")
        await page.keyboard.press("2")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch are waiting")
        assert (requests.count("websocket"), requests.count("long-poll")) == (0, 0)
        await page.keyboard.press("Escape")
        await ended(page, "six")
        await page.keyboard.press("4")
        await expect(page.locator("#run-equal")).to_contain_text("Stop")
        await expect(page.locator("#equal .live")).to_be_in_viewport(ratio=0.9)  # it was out of sight
        await page.keyboard.press("Escape")
        await ended(page, "equal")


async def test_keys_work_right_after_a_click_and_space_presses_nothing(chromium: Browser) -> None:
    async with limits(chromium, "pause=12") as (page, requests, _):
        await page.click("#option-six")  # which takes the focus
        assert page.url.endswith("six=0")
        await page.keyboard.press("2")
        await expect(page.locator("#verdict-sockets")).to_contain_text("10 connections are open")
        await page.keyboard.press("Escape")
        await ended(page, "sockets")
        await page.click("#run-sockets")
        await expect(page.locator("#verdict-sockets")).to_contain_text("10 connections are open")
        await page.keyboard.press("Space")
        await page.keyboard.press("2")
        await expect(page.locator("#sockets .picture-of")).to_have_attribute("data-state", "runs")
        assert requests.open() == 10
        await page.keyboard.press("Escape")
        await ended(page, "sockets")
        await page.focus("#run-sockets")
        await page.keyboard.press("Space")  # by keyboard it does what it says
        await expect(page.locator("#verdict-sockets")).to_contain_text("10 connections are open")
        await page.keyboard.press("Escape")
        await ended(page, "sockets")


async def test_it_is_accessible_with_its_results(chromium: Browser) -> None:
    async with limits(chromium, "pause=12") as (page, _, __):
        await everywhere(page)
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch are waiting")
        await axe(page)  # while it runs, with the others' buttons disabled
        await page.keyboard.press("Escape")
        await ended(page, "six")
        await page.click("#run-sockets")
        await expect(page.locator("#verdict-sockets")).to_contain_text("16 connections are open")
        await page.keyboard.press("Escape")
        await page.click("#record-hidden")
        await expect(page.locator("#hidden .lane.arrivals .count")).not_to_have_text("0")
        await page.keyboard.press("Escape")
        await page.click("#run-equal")
        await expect(page.locator("#verdict-equal")).to_contain_text("Two identical requests, plain")
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


async def test_one_run_after_the_other(chromium: Browser) -> None:
    """The second has to wait until Chromium has let go of the first one's connections: for 5 s, each of these."""
    await together(
        left_alone_it_closes_by_itself_and_can_be_repeated(chromium),
        a_connection_that_the_last_run_still_holds_is_waited_for(chromium),
        when_the_server_is_lost_it_says_so(chromium),
    )


async def left_alone_it_closes_by_itself_and_can_be_repeated(chromium: Browser) -> None:
    async with limits(chromium, "pause=0.1") as (page, requests, _):
        for count in (7, 14):
            await page.click("#run-six")
            await expect(page.locator("#run-six")).to_contain_text("Close all")
            assert "EventSource 7 was sent" in await ended(page, "six")
            assert (requests.count("sse"), requests.count("short-poll")) == (count, count / 7)
            await eventually(lambda: requests.open() == 0)


async def a_connection_that_the_last_run_still_holds_is_waited_for(chromium: Browser) -> None:
    """As a browser keeps one that reads on in a response that was broken off; here a held request does."""
    async with limits(chromium, "pause=12") as (page, requests, _):
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch are waiting")
        await page.evaluate("void fetch('/long-poll?hold=4')")  # gets its place when those of the run are free
        await page.keyboard.press("Escape")
        await ended(page, "six")
        await page.click("#run-sockets")
        await expect(page.locator("#verdict-sockets")).to_contain_text("connections are open")
        assert "16 connections are open" in await page.inner_text("#verdict-sockets")
        await page.keyboard.press("Escape")
        await ended(page, "sockets")
        await eventually(lambda: requests.open() == 0)


async def when_the_server_is_lost_it_says_so(chromium: Browser) -> None:
    async with limits(chromium, "pause=12", expected=["ERR_INCOMPLETE_CHUNKED_ENCODING"]) as (page, requests, running):
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch are waiting")
        running.link.cut()
        await expect(page.locator("#verdict-six")).to_contain_text(
            "The connection to the server was lost, so this says nothing"
        )
        await expect(page.locator("#verdict-six")).to_contain_text("It is back: try again.")
        await eventually(lambda: requests.open() == 0)
        await page.click("#run-six")
        await expect(page.locator("#verdict-six")).to_contain_text("EventSource 7 and the fetch are waiting")


VERDICTS = {
    # As another browser, or HTTP/2, would have it: what is said is what was seen.
    "all seven open": (
        "six",
        """rows.forEach((row, i) => set(row, 100 * i, 100 * i + 3, 100 * i + 5));
           rows.forEach(row => end(row, "closed", 9000));
           end(rows[7], "responded", 710);""",
        "All seven EventSources opened, and the fetch got its response: no limit here. This page came over HTTP/2",
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
        "the server was slow, and this shows no limit",
    ),
    "the fetch gets through": (
        "sockets",
        """rows.forEach((row, i) => set(row, 100 * i, 100 * i + 3, 100 * i + 5));
           rows.forEach(row => end(row, "closed", 5000));""",
        "this does not show a separate limit. This page came over HTTP/2",
    ),
    "both at once anyway": (
        "equal",
        """rows.forEach(row => set(row, 0, 3, 2000, 1999));
           rows.forEach(row => end(row, "responded", 2001));""",
        "This browser sends both at once anyway",
    ),
    "only one is sent": (
        "equal",
        """rows.forEach((row, i) => i % 2 ? set(row, 0, null, 2000) : set(row, 0, 3, 2000, 1999));
           rows.forEach(row => end(row, "responded", 2001));""",
        "only one request reached the server, and the browser used its response for both",
    ),
    "the lock's time is up": (
        "equal",
        """rows.forEach((row, i) => set(row, 0, i % 2 ? 20000 : 3, 30000, 30000));
           rows.forEach(row => end(row, "responded", 30001));""",
        "the second request was sent 20.00 s after the first, while that was still held",
    ),
    "not slowed down": (
        "hidden",
        """for (let at_ms = 0; at_ms < 5000; at_ms += 100) recording.ticks_ms.push(at_ms);
           recording.look(true, 1000);
           recording.look(false, 3000);
           recording.message("a", { published_ms: 1500, arrived_ms: 1507 });""",
        "ticked 21 times of 20, so this browser did not slow it down in that time. SSE delivered 1 of 1 messages",
    ),
    "stopped when half of the WebSockets had opened": (
        "sockets",
        """rows.slice(0, 6).forEach((row, i) => set(row, 100 * i, 100 * i + 3, 100 * i + 5));
           set(rows[6], 700, null, null);
           rows.slice(7).forEach((row, i) => set(row, 2000, i < 5 ? 2003 : null, i < 5 ? 2005 : null));
           rows.forEach(row => end(row, "closed", 2010));""",
        "Five of ten WebSockets had opened after 10 ms: that shows nothing about a limit.",
    ),
    "stopped when the first was held": (
        "equal",
        """rows.slice(0, 2).forEach((row, i) => { set(row, 0, i ? null : 3, null); end(row, "closed", 1500); });""",
        "Plain: stopped before the second request was sent.",
    ),
    "stopped when the tab was hidden for a moment": (
        "hidden",
        """recording.look(true, 1000);
           recording.look(false, 1030);""",
        "This tab was hidden for only 30 ms: too short to show anything.",
    ),
    "stopped when a message was on its way": (
        "hidden",
        """recording.look(true, 90000);
           recording.look(false, 98999);
           recording.message("a", { published_ms: 91000, arrived_ms: 91005 });
           recording.message("b", { published_ms: 98998, arrived_ms: null });""",
        "SSE delivered 1 of 1 messages",
    ),
    "asleep altogether": (
        "hidden",
        """recording.look(true, 1000);
           recording.look(false, 91000);
           recording.message("a", { published_ms: 1500, arrived_ms: null });
           recording.message("b", { published_ms: 2500, arrived_ms: 2600 });""",
        "ticked 0 times instead of 900, and slept for up to 90.00 s. SSE delivered only 1 of 2 messages",
    ),
}


async def test_a_verdict_says_only_what_was_seen(chromium: Browser) -> None:
    async with limits(chromium) as (page, _, __):
        for case, (name, script, said) in VERDICTS.items():
            verdict = await page.evaluate(
                f"""async () => {{
                    const {{ {name}: experiment }} = await import("/static/limits/{name}.js");
                    const run = {{ rows: [], marks: [], sees: true, ended_ms: 99000 }};
                    experiment.plan(run, {{ six: "1", publish: "1" }});
                    const {{ rows, recording }} = run;
                    const set = (row, requested_ms, reached_ms, opened_ms, left_ms = null) =>
                      Object.assign(row, {{ requested_ms, reached_ms, opened_ms, left_ms }});
                    const end = (row, how, ended_ms) => Object.assign(row, {{ how, ended_ms }});
                    {script}
                    return experiment.verdict(run, "h2");
                }}"""
            )
            assert said in verdict, case
