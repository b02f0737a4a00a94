"""The crowd page in a real browser: what it shows is what the server wrote, and it opens and leaves its readers."""

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from app import crowd
from app.link import Connection, Direction
from tests.browsing import axe, browsing
from tests.processes import children
from tests.serving import LIMIT_S, Running, eventually, serving

pytestmark = pytest.mark.anyio

expect.set_options(timeout=1000 * LIMIT_S)  # its own 5 s are not enough for everything on a busy computer

LANES = ("tasks", "hub")
LOST = ("ERR_", "WebSocket connection to")


class Written:
    """What left the server for the crowds, by session: when a message was last written to each connection."""

    def __init__(self) -> None:
        self.session: dict[Connection, str] = {}
        self.last_ns: dict[str, dict[str, int]] = defaultdict(dict)

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        if direction == "up" and (request := re.match(rb"GET /s/([a-z0-9-]+)/crowd-", data)):
            self.session[connection] = request[1].decode()
        if direction == "down" and connection in self.session:
            for cursor in re.findall(rb'"cursor":"([0-9a-z]+-\d+)","text"', data):
                self.last_ns[self.session[connection]][cursor.decode()] = at_ns


@contextlib.asynccontextmanager
async def opened(
    chromium: Browser,
    settings: str = "readers=10",
    *,
    reduced_motion: bool = True,
    ready: str = "Nobody is connected yet",
    expected: Collection[str] = (),
    written: Written | None = None,
) -> AsyncIterator[tuple[Page, Running]]:
    async with (
        serving(observer=written) as running,
        browsing(
            chromium, running, path=f"/crowd?{settings}", reduced_motion=reduced_motion, expected=expected
        ) as page,
    ):
        await expect(page.locator(".status")).to_contain_text(ready)
        yield page, running


async def lane(page: Page, name: str) -> dict[str, Any]:
    """What a lane shows."""
    shown: dict[str, Any] = await page.evaluate(
        """name => {
            const lane = document.querySelector(`[data-lane=${name}]`), { have, messages } = lane.dataset;
            const figure = of => Number(lane.querySelector(`.figure-${of}`).dataset.value);
            const marks = lane.querySelectorAll(".arrived").length;
            const earlier = lane.querySelectorAll(".earlier").length;
            const figures = { half: figure("half"), last: figure("last"), median: figure("median") };
            return { have: Number(have), messages: Number(messages), marks, earlier, ...figures };
        }""",
        name,
    )
    return shown


async def shown(page: Page, messages: int) -> None:
    """So many messages have been shown to their end."""
    for name in LANES:
        await expect(page.locator(f"[data-lane={name}]")).to_have_attribute("data-messages", str(messages))
    await expect(page.locator(".lanes")).to_have_attribute("data-stage", "idle")


def sessions(running: Running) -> dict[str, Any]:
    """The page's sessions, by the lane."""
    return {name.rpartition("-")[2]: session for name, session in running.sessions._sessions.items()}


def processes() -> int:
    return sum(args.endswith("-m app.readers") for args in children(os.getpid()).values())


@pytest.mark.parametrize("over", ["sse", "websocket"])
async def test_each_lane_shows_when_its_readers_had_the_message(chromium: Browser, over: str) -> None:
    written = Written()
    async with opened(chromium, f"readers=50&over={over}", written=written) as (page, running):
        await page.keyboard.press("p")
        await shown(page, 1)
        await page.click("#publish")
        await shown(page, 2)
        for name in LANES:
            session = sessions(running)[name]
            assert [one.fan_out for one in session.connections] == [name] * 50
            assert session.log.newest.seq == 3  # the first is not counted
            (message,) = session.log.after(type(session.log.newest)(session.log.epoch, 2)).messages
            (session_name,) = [one for one in written.last_ns if one.endswith(name)]
            written_ms = written.last_ns[session_name][str(message.cursor)] / 1e6 - message.published_ms
            seen = await lane(page, name)
            assert (seen["have"], seen["marks"], seen["messages"], seen["earlier"]) == (50, 50, 2, 1)
            assert 0 < seen["half"] <= seen["last"]
            assert written_ms <= seen["last"] + 0.001
            assert seen["median"] > 0
        said = await page.inner_text("#verdict")
        assert re.search("the last of 50 had the message|The last of 50 had the message", said)
        last = {name: (await lane(page, name))["last"] for name in LANES}
        if factor := re.search(r"([\d.]+) times (sooner|later)", said):
            ratio = last["tasks"] / last["hub"] if factor[2] == "sooner" else last["hub"] / last["tasks"]
            assert float(factor[1]) == pytest.approx(ratio, rel=0.05, abs=0.051)
        else:
            assert "about the same" in said
            assert 1 / 1.15 <= last["tasks"] / last["hub"] <= 1.15
        assert processes() == 2


async def test_in_slow_motion_the_marks_come_one_after_the_other(chromium: Browser) -> None:
    async with opened(chromium, reduced_motion=False) as (page, _):
        seen = await page.evaluate("""() => new Promise(done => {
            const seen = new Set(), stages = new Set();
            const look = () => {
                const lanes = document.querySelector(".lanes");
                stages.add(lanes.dataset.stage);
                for (const lane of lanes.querySelectorAll(".lane")) seen.add(Number(lane.dataset.have));
                if (stages.has("sweeping") && lanes.dataset.stage === "idle") done([[...seen], [...stages]]);
                else requestAnimationFrame(look);
            };
            look();
            document.getElementById("publish").click();
        })""")
        assert len(seen[0]) > 2
        assert max(seen[0]) == 10
        assert seen[1][:1] == ["idle"] and "sweeping" in seen[1]
        await page.keyboard.press("p")  # in the middle of the motion, the next one begins at once
        await expect(page.locator(".lanes")).to_have_attribute("data-stage", "sweeping")
        await expect(page.locator(".status")).to_contain_text("Slow motion: ")
        await page.keyboard.press("p")
        await expect(page.locator("[data-lane=hub]")).to_have_attribute("data-messages", "3")


async def test_nothing_moves_with_reduced_motion(chromium: Browser) -> None:
    async with opened(chromium) as (page, _):
        await page.evaluate("""() => {
            window.seen = new Set();
            const look = () => { for (const lane of document.querySelectorAll(".lane")) seen.add(lane.dataset.have); };
            const everything = { subtree: true, childList: true, attributes: true };
            new MutationObserver(look).observe(document.getElementById("crowd"), everything);
        }""")
        await page.keyboard.press("p")
        await shown(page, 1)
        assert set(await page.evaluate("[...seen]")) <= {"0", "10"}
        assert await page.locator(".now").count() == 0


async def test_it_repeats_until_told_to_stop_and_starts_again(chromium: Browser) -> None:
    async with opened(chromium) as (page, running):
        await page.keyboard.press("Space")
        await expect(page.locator("#keep")).to_contain_text("Stop")
        await expect(page.locator("#verdict")).to_contain_text("the medians over 3 messages are")
        await page.keyboard.press("Space")
        await expect(page.locator("#keep")).to_contain_text("Repeat")
        await expect(page.locator(".lanes")).to_have_attribute("data-stage", "idle")
        await expect(page.locator("[aria-live]")).to_contain_text("had the message")
        published = {name: session.log.newest.seq for name, session in sessions(running).items()}
        assert published["tasks"] == published["hub"] >= 4
        await page.keyboard.press("r")
        await shown(page, 0)
        await expect(page.locator("#verdict")).to_contain_text("Publish one and see")
        await page.keyboard.press("p")
        await shown(page, 1)
        assert {session.log.newest.seq for session in sessions(running).values()} == {published["hub"] + 1}


async def test_readers_and_transport_can_be_chosen_and_are_in_the_address(chromium: Browser) -> None:
    async with opened(chromium, "readers=11&over=sse&fast=1", ready="readers=11 is not accepted") as (page, running):
        await expect(page.locator(".status")).to_contain_text("Unknown setting fast; known: readers, over.")
        await page.select_option("#readers", "50")
        assert page.url.endswith("?readers=50&over=sse")
        await page.keyboard.press("p")
        await shown(page, 1)
        await expect(page.locator(".status")).to_contain_text("Two crowds of 50 readers are connected")
        assert {len(session.connections) for session in sessions(running).values()} == {50}
        assert not any(one.upgraded for session in sessions(running).values() for one in session.connections)
        await page.select_option("#readers", "10")
        await page.select_option("#over", "websocket")
        assert page.url.endswith("?readers=10")
        await shown(page, 0)
        await eventually(lambda: not any(session.connections for session in sessions(running).values()))
        assert processes() == 0
        await page.keyboard.press("p")
        await shown(page, 1)
        assert [one.upgraded for one in sessions(running)["hub"].connections] == [True] * 10


async def test_readers_come_when_they_are_needed_and_go_with_the_page(chromium: Browser) -> None:
    async with opened(chromium) as (page, running):
        assert processes() == 0
        await page.keyboard.press("p")
        await shown(page, 1)
        assert processes() == 2
        await page.goto(f"{running.url}/claims")
        await eventually(lambda: processes() == 0)


async def test_when_readers_are_lost_it_says_so_and_new_ones_come(chromium: Browser) -> None:
    async with opened(chromium, expected=LOST) as (page, running):
        await page.keyboard.press("p")
        await shown(page, 1)
        next(iter(sessions(running)["hub"].connections)).cut()
        await expect(page.locator(".status")).to_contain_text("Readers lost their connections")
        await page.keyboard.press("p")
        await shown(page, 2)
        await expect(page.locator(".status")).not_to_contain_text("lost")
        running.link.cut()
        await expect(page.locator(".status")).to_contain_text("The server can’t be reached")
        await expect(page.locator(".status")).to_contain_text("Publish again, and new readers connect")
        await page.keyboard.press("p")
        await shown(page, 3)


async def test_when_others_have_all_the_readers_it_says_so(chromium: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "CROWDS_MAX", 1)
    async with opened(chromium) as (page, _):
        await page.keyboard.press("Space")
        await expect(page.locator(".status")).to_contain_text("Other pages have all the readers")
        await expect(page.locator("#keep")).to_contain_text("Repeat")
        await eventually(lambda: processes() == 0)  # one lane alone would keep somebody else from having two
        monkeypatch.setattr(crowd, "CROWDS_MAX", 2)
        await page.keyboard.press("p")
        await shown(page, 1)


async def test_it_is_accessible_and_fits(chromium: Browser) -> None:
    async with opened(chromium) as (page, _):
        await page.focus("#publish")
        await page.keyboard.press("Enter")
        await shown(page, 1)
        for width, height in ((1920, 1080), (1280, 720), (390, 844)):
            await page.set_viewport_size({"width": width, "height": height})
            # The lanes are drawn again when the browser says that their size has changed.
            await page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                await axe(page)
            if width > 1000:  # in the back row they see all of it, and the sentence
                bottom = "document.getElementById('verdict').getBoundingClientRect().bottom"
                await page.wait_for_function(f"() => {bottom} <= innerHeight")


VERDICTS = {
    "sooner": (
        {"tasks": [[0.5, 4, 7.1]], "hub": [[0.4, 1, 1.9]]},
        "With the hub, the last of 3 had the message 3.7 times sooner: after 1.9 ms instead of 7.1 ms. "
        "Per reader that is 2.4 ms with tasks and 633 µs with the hub.",
    ),
    "later": (
        {"tasks": [[1, 1.5, 2]], "hub": [[1, 2, 3]]},
        "With the hub, the last of 3 had the message 1.5 times later: after 3.0 ms instead of 2.0 ms.",
    ),
    "the same": (
        {"tasks": [[1, 1.5, 2.1]], "hub": [[1, 2, 2]]},
        "The last of 3 had the message after 2.0 ms with the hub and after 2.1 ms with tasks: about the same.",
    ),
    "medians": (
        {"tasks": [[1, 2, 9], [1, 2, 8], [1, 2, 400]], "hub": [[1, 2, 3], [1, 2, 100], [1, 2, 2]]},
        "200 times sooner: after 2.0 ms instead of 400 ms. "
        "In all, the medians over 3 messages are 3.0 ms and 9.0 ms: 3.0 times sooner. "
        "Per reader that is 3.0 ms with tasks and 1.0 ms with the hub.",
    ),
    "somebody does not have it": (
        {"tasks": [[1, 2]], "hub": [[1]]},
        "3 of 6 readers did not get this message in time, so this says nothing about the two lanes.",
    ),
    "the readers are the limit": (
        {"tasks": [[1, 2, 7]], "hub": [[1, 2, 3]], "busy_ms": 1.9},
        "The readers’ own process was busy all that time: the hub itself is faster than this.",
    ),
}


@pytest.mark.parametrize("case", VERDICTS)
async def test_what_is_said_is_what_was_measured(chromium: Browser, case: str) -> None:
    given, expected = VERDICTS[case]
    async with serving() as running, browsing(chromium, running, path="/crowd") as page:
        said = await page.evaluate(
            """async ({ tasks, hub, busy_ms = 0 }) => {
                const { findings } = await import("/static/crowd/rounds.js");
                const { verdict } = await import("/static/words/crowd.js");
                const report = delays_ms => ({ delays_ms, busy_ms });
                return verdict(findings(tasks.map((one, i) => ({ tasks: report(one), hub: report(hub[i]) })), 3));
            }""",
            given,
        )
    assert expected in said
    assert not re.search("NaN|undefined", said)
