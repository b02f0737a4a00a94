"""A wrong address: people get a page that leads on, programs one line of JSON."""

import json

import pytest
from playwright.async_api import Browser, expect

from app.pages.modes import MODES
from app.pages.words import problem as words
from tests.browsing import axe, browsing
from tests.serving import Wire, ask, serving

pytestmark = pytest.mark.anyio

WRONG = {
    "/nonsense": (404, "There is nothing at /nonsense.", "Not Found"),
    "/modes/nonsense": (404, "There is nothing at /modes/nonsense.", "Not Found"),
    "/race/x": (404, "There is nothing at /race/x.", "Not Found"),
    "/claims?results=foo": (
        400,
        "Results='foo' is not accepted: give latest or reference.",
        "results='foo' is not accepted: give latest or reference",
    ),
    "/code/x.py": (
        404,
        "The code shown here is that of short_poll, long_poll, sse, websocket, socket_io, fanout.",
        "the code shown here is that of short_poll, long_poll, sse, websocket, socket_io, fanout",
    ),
    "/claims/latest/none.png": (404, "There is no such chart.", "there is no such chart"),
}


async def test_a_browser_gets_a_page_that_says_what_is_wrong_and_what_exists(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running, expected=["status of 40[04]"]) as page:
        for target, (status, sentence, _) in WRONG.items():
            response = await page.goto(running.url + target)
            assert response is not None
            assert response.status == status, target
            await expect(page.locator(".notice")).to_have_text(sentence)
            await expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(11)
            for path in (*words.PAGES, *(f"/modes/{mode.path}" for mode in MODES)):
                await expect(page.locator(f'main a[href="{path}"]')).to_have_count(1)
        await axe(page)


@pytest.mark.parametrize("target", WRONG)
@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
async def test_a_program_gets_one_line_of_json(target: str, accept: str | None) -> None:
    status, _, error = WRONG[target]
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask(target, {"Accept": accept} if accept else {})
        got, body = await wire.answer()
    assert (got, json.loads(body)) == (status, {"error": error})
    assert b"\n" not in body


@pytest.mark.parametrize(
    "target",
    [
        "/short-poll?after=nonsense",
        "/long-poll?hold=x",
        "/sse?foo=1",
        "/socket.io/",
        "/messages",
        "/s/a/b/nonsense",
        "/static/no.js",
    ],
)
async def test_the_api_speaks_json_to_browsers_too(target: str) -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask(target, {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"})
        status, body = await wire.answer()
        assert (400 <= status < 500, b"<html" in body) == (True, False)
        assert b"content-type: text/html" not in wire.received.lower()


async def test_the_address_is_text_and_never_markup() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask("/%3Cscript%3Ealert(1)%3C/script%3E", {"Accept": "text/html"})
        status, body = await wire.answer()
    assert status == 404
    assert b"&lt;script&gt;alert(1)" in body
    assert b"<script>" not in body
    assert b"content-security-policy: default-src 'self';" in wire.received.lower()


async def test_what_the_page_lists_exists() -> None:
    async with serving() as running:
        for path in words.PAGES:
            assert (await ask(running.port, path))[0] == 200
