"""The chat in a browser: everybody receives everything over every transport, and a cut costs time and nothing else."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from app import chat
from app.link import Upgrades
from tests.browsing import axe, browsing
from tests.serving import LIMIT_S, TRANSPORTS, Running, ask, eventually, serving

pytestmark = pytest.mark.anyio

expect.set_options(timeout=1000 * LIMIT_S)

LOST = ("ERR_", "WebSocket connection to", "status of 404", "status of 400")
"""What a browser says in its console when the server breaks its connections, or does not know it any more."""

TITLES = dict(zip(TRANSPORTS, ("Short polling", "Long polling", "SSE", "WebSocket", "Socket.IO"), strict=True))

JOINED = [*((f"{transport}'s", transport) for transport in TRANSPORTS), ("Bob", "sse")]


@contextlib.asynccontextmanager
async def visiting(
    chromium: Browser, running: Running, name: str = "", transport: str = "sse", **more: Any
) -> AsyncIterator[Page]:
    """The chat's page, in a browser of its own; with a name, it has joined and is connected."""
    async with browsing(chromium, running, path=f"/chat?transport={transport}", expected=LOST, **more) as page:
        if name:
            await page.get_by_label("Your name").fill(name)
            await page.keyboard.press("Enter")
            await expect(page.locator(".line")).to_have_text(f"Connected over {TITLES[transport]}.")
        yield page


@contextlib.asynccontextmanager
async def everybody(chromium: Browser, running: Running) -> AsyncIterator[dict[str, Page]]:
    """Somebody on each transport, in teaching order; the name says which."""
    async with contextlib.AsyncExitStack() as stack:
        yield {
            transport: await stack.enter_async_context(visiting(chromium, running, f"{transport}'s", transport))
            for transport in TRANSPORTS
        }


def logged(running: Running) -> list[list[str]]:
    """The whole log, a line for each message as `said` has them."""
    messages = running.log.after(running.log.oldest).messages
    return [[message.text] if message.people else [message.name or "(no name)", message.text] for message in messages]


async def said(page: Page) -> list[list[str]]:
    """What the page shows, a line each: [name, text], or [notice]; without what the log does not have yet."""
    shown: list[list[str]] = await page.locator("[data-cursor]").evaluate_all(
        "all => all.map(one => one.matches('.said') ? [one.querySelector('.who').firstChild.textContent,"
        " one.querySelector('.text').textContent] : [one.textContent])"
    )
    return shown


async def shows(page: Page, *lines: list[str]) -> None:
    """Wait until the last lines of the log are these."""
    with contextlib.suppress(TimeoutError):  # what there is instead says more
        async with asyncio.timeout(LIMIT_S):
            while (await said(page))[-len(lines) :] != list(lines):  # noqa: ASYNC110  # the page can't signal it
                await asyncio.sleep(0.02)
    assert (await said(page))[-len(lines) :] == list(lines)


async def speak(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.keyboard.press("Enter")


MARKUP = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>&lt;b&gt;"


async def test_people_on_all_transports_receive_everything_in_order_and_never_as_markup(chromium: Browser) -> None:
    names = {transport: f"<b onclick=x>&amp;{transport}</b>" for transport in TRANSPORTS}
    before = {"text": "before anybody joined", "name": '"><svg onload=alert(1)>'}
    async with serving() as running, contextlib.AsyncExitStack() as stack:
        await ask(running.port, "/messages", {"Content-Type": "application/json"}, json.dumps(before).encode(), "POST")
        pages = {
            transport: await stack.enter_async_context(visiting(chromium, running, names[transport], transport))
            for transport in TRANSPORTS
        }
        lines = [[before["name"], before["text"]]]
        for number, transport in enumerate(TRANSPORTS, 1):
            lines.append([f"{names[transport]} has joined over {TITLES[transport]}: {number} present"])
        began_s = time.monotonic()
        for transport, page in pages.items():
            lines.append([names[transport], f"{transport} {MARKUP}"])
            await speak(page, f"{transport} {MARKUP}")
            for other in pages.values():
                await shows(other, *lines)
        for transport, page in pages.items():
            assert await page.locator("#chat :is(img, script, b[onclick], a, iframe)").count() == 0
            assert await page.title() == "Chat · transport-compare"
            await expect(page.locator("#present-title")).to_have_text("5 present")
            present = await page.locator(".present li").all_inner_texts()
            assert present == [f" {names[one]} {TITLES[one]}" for one in TRANSPORTS]
            await expect(page.locator(".took b", has_text="–")).to_have_count(0)  # the server's clock is known by now
            first, *later = await page.locator(".said .took").all_inner_texts()
            assert first == "before you joined"
            for speaker, words in zip(TRANSPORTS, later, strict=True):
                took, unit, *after = words.removeprefix(f" over {TITLES[transport]} ").removeprefix("in ").split()
                took_s = float(took) * {"ms": 1e-3, "s": 1}[unit]
                assert 0 <= took_s <= time.monotonic() - began_s, words
                assert after == (["after", "Enter"] if speaker == transport else []), words
        await pages["short_poll"].get_by_role("radio", name="SSE").check()  # its count would go on by itself
        lines.append([f"{names['short_poll']} has changed to SSE: 5 present"])
        for transport, page in pages.items():
            await shows(page, *lines)
            await costs_what_crossed_the_sockets(running, page, names[transport])
        await pages.pop("websocket").goto(f"{running.url}/")
        lines.append([f"{names['websocket']} has left: 4 present"])
        for page in pages.values():
            await shows(page, *lines)
            await expect(page.locator("#present-title")).to_have_text("4 present")


async def costs_what_crossed_the_sockets(running: Running, page: Page, name: str) -> None:
    """Wait until the page says what the server has counted of this person."""
    (person,) = (person for person in running.chat._people.values() if person.name == name)
    cost = page.locator(".cost")
    async with asyncio.timeout(LIMIT_S):
        while await cost.evaluate("one => [Number(one.dataset.requests), Number(one.dataset.bytes)]") != [  # noqa: ASYNC110  # the page asks now and then
            person.requests,
            person.bytes,
        ]:
            await asyncio.sleep(0.02)
    assert person.requests and person.bytes
    await expect(cost).to_contain_text(f"So far: {person.requests} request")


async def test_somebody_leaves_and_joins_again(chromium: Browser) -> None:
    async with (
        serving() as running,
        visiting(chromium, running, "Ada", "sse") as ada,
        visiting(chromium, running, "Bob", "long_poll") as bob,
    ):
        await ada.get_by_role("button", name="Leave").click()
        await expect(ada.locator(".line")).to_have_text("You have not joined.")
        await shows(bob, ["Ada has left: 1 present"])
        await speak(bob, "is she gone?")
        await shows(bob, ["Bob", "is she gone?"])
        await ada.reload()
        await expect(ada.locator(".line")).to_have_text("You have not joined.")
        await ada.get_by_label("Your name").fill("Ada")
        await ada.get_by_role("button", name="Join").click()
        await shows(ada, ["Bob", "is she gone?"], ["Ada has joined over SSE: 2 present"])


async def test_a_cut_connection_shows_and_reconnects_and_has_missed_nothing(
    chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as running, everybody(chromium, running) as pages, visiting(chromium, running, "Bob") as bob:
        for i in range(2):
            monkeypatch.setattr(chat, "AWAY_S", 1_000)
            for page in pages.values():
                await page.get_by_role("button", name="Cut my connection").click()
                await expect(page.locator(".line")).to_contain_text("No connection over")
            await speak(bob, f"can you hear me? {i}")
            await shows(bob, ["Bob", f"can you hear me? {i}"])
            for page in pages.values():
                await speak(page, f"one moment {i}")
                await speak(page, f"two moments {i}")
                await expect(page.locator(".unsaid .took")).to_have_text(["waiting for the connection"] * 2)
            for person in running.chat._people.values():
                person.away_until_ns = 0
            for transport, page in pages.items():
                await expect(page.locator(".unsaid")).to_have_count(0)
                await expect(page.locator(".line")).to_have_text(f"Connected over {TITLES[transport]}.")
        notices = [[f"{name} has joined over {TITLES[t]}: {n} present"] for n, (name, t) in enumerate(JOINED, 1)]
        for transport in TRANSPORTS:
            own = [text for name, text in logged(running)[len(notices) :] if name == f"{transport}'s"]
            assert own == [f"{moment} {i}" for i in range(2) for moment in ("one moment", "two moments")]
        lines = logged(running)
        assert lines[: len(notices)] == notices
        assert len(lines) == len(notices) + 2 * (1 + 2 * len(TRANSPORTS))
        for page in (*pages.values(), bob):
            await shows(page, *lines)
            assert await said(page) == lines


@pytest.mark.parametrize("upgrades", ["refuse", "cut"])
async def test_where_websocket_does_not_get_through_the_others_do(upgrades: Upgrades, chromium: Browser) -> None:
    async with serving(upgrades=upgrades) as running, contextlib.AsyncExitStack() as stack:
        pages = [
            await stack.enter_async_context(visiting(chromium, running, name, transport))
            for name, transport in (("Ada", "long_poll"), ("Bob", "socket_io"))
        ]
        for page in pages:
            await speak(page, "hello")
        for page in pages:
            await shows(page, ["Ada", "hello"], ["Bob", "hello"])
            await expect(page.locator(".took b", has_text="–")).to_have_count(0)  # the clock does not need it
        await pages[0].get_by_role("radio", name="WebSocket").check()
        await expect(pages[0].locator(".line")).to_contain_text("No connection over WebSocket.")
        await speak(pages[0], "can you hear me?")
        await expect(pages[0].locator(".unsaid .took")).to_have_text("waiting for the connection")
        await pages[0].get_by_role("radio", name="SSE").check()
        await shows(pages[1], ["Ada has changed to SSE: 2 present"], ["Ada", "can you hear me?"])


async def test_a_server_that_has_restarted_is_joined_again(chromium: Browser) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving() as running:
            port = running.port
            pages = await stack.enter_async_context(everybody(chromium, running))
            await speak(pages["sse"], "in the old log")
            old = logged(running)
            for page in pages.values():
                await shows(page, *logged(running))
            old = logged(running)
        for page in pages.values():
            await expect(page.locator(".line")).to_contain_text("No connection over")
        for transport, page in pages.items():
            await speak(page, f"{transport} while there was no server")
        async with serving(port=port) as running:
            for page in pages.values():
                await expect(page.locator(".gap")).to_have_text("A new log has begun: what was in the old one is gone.")
            await eventually(lambda: running.log.newest.seq == 2 * len(TRANSPORTS))
            lines = logged(running)
            for page in pages.values():
                await shows(page, *old, *lines)
            for transport in TRANSPORTS:
                (joined,) = (i for i, (first, *_) in enumerate(lines) if first.startswith(f"{transport}'s has joined"))
                assert lines.index([f"{transport}'s", f"{transport} while there was no server"]) > joined
            await stack.aclose()


async def test_a_person_dropped_by_mistake_joins_again(chromium: Browser) -> None:
    """A computer sleeps longer than the grace: its connections are dead, and the server has forgotten it."""
    async with serving() as running, visiting(chromium, running, "Ada", "websocket") as page:
        (person,) = running.chat._people
        running.chat.leave(person)
        running.link.cut()
        await shows(
            page,
            ["Ada has joined over WebSocket: 1 present"],
            ["Ada has left: 0 present"],
            ["Ada has joined over WebSocket: 1 present"],
        )
        await expect(page.locator("#present-title")).to_have_text("1 present")


async def test_what_was_being_sent_when_the_connection_was_lost_is_left_to_its_writer(
    chromium: Browser,
) -> None:
    async with serving() as running, visiting(chromium, running, "Ada", "sse") as page:
        await page.route("**/messages", lambda route: route.abort())
        for text in ("to be sent again", "to be forgotten"):
            await speak(page, text)
        failed = page.locator(".unsaid[data-state=failed]")
        await expect(failed).to_have_count(2)
        await expect(failed.first).to_contain_text("possibly not sent: Failed to fetch")
        await axe(page)
        await page.unroute("**/messages")
        await failed.first.get_by_role("button", name="Send again").press("Enter")
        await shows(page, ["Ada", "to be sent again"])
        await failed.get_by_role("button", name="Discard").press("Enter")
        await expect(page.locator(".unsaid")).to_have_count(0)
        assert running.log.newest.seq == 2


async def test_a_stuck_message_does_not_hold_up_later_ones(chromium: Browser) -> None:
    async with serving() as running, visiting(chromium, running, "Ada", "sse") as page:
        await page.route("**/messages", lambda _: None)  # a network that swallows it
        await speak(page, "stuck")
        await expect(page.locator(".unsaid")).to_contain_text("sending")
        await page.get_by_role("radio", name="WebSocket").check()
        await expect(page.locator(".unsaid")).to_contain_text(
            "possibly not sent: you switched transports at that moment"
        )
        await speak(page, "through")
        await shows(page, ["Ada", "through"])
        await expect(page.locator(".unsaid")).to_have_count(1)


async def test_a_waiting_message_is_not_mistaken_for_one_by_a_namesake(chromium: Browser) -> None:
    async with serving() as running, visiting(chromium, running, "Ada", "sse") as page:
        await page.route("**/messages", lambda _: None)
        await speak(page, "one")
        await speak(page, "yes")  # waits for the one before
        running.log.publish("yes", "Ada")
        await shows(page, ["Ada", "yes"])
        await expect(page.locator(".unsaid")).to_have_count(2)


async def test_a_change_of_transport_or_name_is_announced_and_misses_nothing(chromium: Browser) -> None:
    async with serving() as running, visiting(chromium, running, "Ada", "short_poll") as page:
        lines = [["Ada has joined over Short polling: 1 present"]]
        for transport in (*TRANSPORTS[1:], TRANSPORTS[0]):
            await page.get_by_role("radio", name=TITLES[transport]).check()
            lines.append([f"Ada has changed to {TITLES[transport]}: 1 present"])
            running.log.publish("meanwhile", "Bob")
            lines.append(["Bob", "meanwhile"])
            await expect(page.locator(".line")).to_have_text(f"Connected over {TITLES[transport]}.")
            await expect(page.locator("[data-cursor]")).to_have_count(len(lines))
        assert {tuple(line) for line in await said(page)} == {tuple(line) for line in lines}
        cursors = await page.locator("[data-cursor]").evaluate_all("all => all.map(one => one.dataset.cursor)")
        assert cursors == [f"{running.log.epoch}-{i + 1}" for i in range(len(lines))]
        assert page.url.endswith("transport=short_poll")
        await page.get_by_label("Your name").fill("Grace")
        await page.get_by_label("Your name").blur()
        await shows(page, ["Ada is now called Grace: 1 present"])
        await speak(page, "it is me")
        await shows(page, ["Grace", "it is me"])


async def test_a_reload_joins_again_and_a_second_tab_is_a_second_person(chromium: Browser) -> None:
    async with serving() as running, visiting(chromium, running, "Ada", "websocket") as page:
        await page.reload()
        await shows(
            page,
            ["Ada has joined over WebSocket: 1 present"],
            ["Ada has left: 0 present"],
            ["Ada has joined over WebSocket: 1 present"],
        )
        tab = await page.context.new_page()
        await tab.goto(f"{running.url}/chat?transport=sse")
        await expect(tab.locator(".line")).to_have_text("You have not joined.")
        await expect(tab.get_by_label("Your message")).to_be_disabled()
        await tab.get_by_label("Your name").fill("Ada")
        await tab.get_by_role("button", name="Join").click()
        await shows(page, ["Ada has joined over SSE: 2 present"])
        await expect(page.locator(".present li")).to_have_count(2)


async def test_after_a_click_typing_writes_and_presses_no_button(chromium: Browser) -> None:
    async with serving() as running, visiting(chromium, running, "Ada", "sse") as page:
        await page.get_by_role("button", name="Cut my connection").click()
        await expect(page.locator(".line")).to_contain_text("No connection over")
        (person,) = running.chat._people.values()
        cut = person.away_until_ns
        await page.keyboard.type("a b")
        await expect(page.get_by_label("Your message")).to_have_value("a b")
        assert person.away_until_ns == cut  # Space did not cut once more
        await page.get_by_role("button", name="Send").click()
        await page.keyboard.type("c d")
        await expect(page.get_by_label("Your message")).to_have_value("c d")
        await page.get_by_role("button", name="Cut my connection").press("Enter")
        await expect(page.get_by_role("button", name="Cut my connection")).to_be_focused()


async def test_a_refused_name_is_reported_and_does_not_join(chromium: Browser) -> None:
    async with serving() as running, visiting(chromium, running) as page:
        await page.get_by_role("button", name="Join").click()
        await expect(page.get_by_role("alert")).to_have_text("Enter a name first: any name will do.")
        await page.get_by_label("Your name").fill("A\u2028da")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("this name is not accepted")
        assert not running.log.newest.seq
        await page.get_by_label("Your name").fill("Ada")
        await page.keyboard.press("Enter")
        await shows(page, ["Ada has joined over SSE: 1 present"])
        await expect(page.get_by_role("alert")).to_have_count(0)
        await expect(page.get_by_label("Your message")).to_be_focused()


async def test_the_page_keeps_the_last_messages_and_the_scroll_position(chromium: Browser) -> None:
    async with serving() as running, visiting(chromium, running, "Ada", "sse") as page:
        for i in range(350):
            running.log.publish(f"message {i}", "Bob")
        await shows(page, ["Bob", "message 349"])
        assert await page.locator("[data-cursor]").count() == 300
        log = page.get_by_role("log")
        assert await log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight < 2")
        await log.evaluate("log => log.addEventListener('scroll', () => { log.dataset.heard = log.scrollTop; })")
        await log.focus()
        await page.keyboard.press("Home")
        await expect(log).to_have_attribute("data-heard", "0")  # the page is told with the next frame, and no sooner
        running.log.publish("the last", "Bob")
        await shows(page, ["Bob", "the last"])
        assert await log.evaluate("log => log.scrollTop < log.scrollHeight / 2")


@pytest.mark.parametrize(("width", "height", "dark"), [(1920, 1080, False), (1280, 720, True), (390, 844, False)])
async def test_it_is_accessible_and_fits(width: int, height: int, dark: bool, chromium: Browser) -> None:
    async with serving() as running:
        async with visiting(chromium, running, width=width, height=height, dark=dark) as page:
            await axe(page)
        name = "長" * 40
        async with visiting(chromium, running, name, "socket_io", width=width, height=height, dark=dark) as page:
            text = "w" * 300 + " مرحبا 👩‍💻"
            await page.get_by_label("Your message").fill(text)
            await page.get_by_role("button", name="Send").click()
            await shows(page, [name, text])
            await axe(page)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            if width > height:
                box = await page.get_by_role("button", name="Send").bounding_box()
                assert box and box["y"] + box["height"] <= height  # in sight, without scrolling
        await eventually(lambda: not running.chat._people)
