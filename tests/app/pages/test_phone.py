"""Every page on a phone: nothing is wider than the screen, and what is to be tapped is large enough and within it."""

import pytest
from playwright.async_api import Browser

from app.pages.modes import MODES
from tests.browsing import browsing
from tests.serving import serving

pytestmark = pytest.mark.anyio

WIDTH, HEIGHT = 390, 844
TARGET = 24
"""CSS pixels that a target has at least in each direction (WCAG 2.2, success criterion 2.5.8)."""

PAGES = {
    "/": "[data-sketch] svg",
    "/race": "#race svg",
    "/chat": "#chat button",
    "/crowd": "#crowd svg",
    "/limits": "#run-equal:not([aria-disabled])",
    "/limits/away?seconds=600": "#back",
    "/claims": ".glance",
    "/nonsense": ".notice",
    **{f"/modes/{mode.path}": "#live svg" for mode in MODES},
}
"""Each page, and what is there when it is complete."""

TARGETS = """
[...document.querySelectorAll("button, select, input:not([type=range])")]
    .filter(one => one.checkVisibility())
    .map(one => [one, one.matches("[type=radio], [type=checkbox]") ? one.closest("label") : one])
    .map(([one, target]) => [one, target.getBoundingClientRect()])
    .map(([one, { left, right, width, height }]) => [one.outerHTML.slice(0, 80), left, right, width, height])
"""
"""What is to be tapped: of a box to tick, its label, which is as good."""


async def test_every_page_fits(chromium: Browser) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, width=WIDTH, height=HEIGHT, expected=["status of 404"]) as page,
    ):
        for path, complete in PAGES.items():
            await page.goto(running.url + path)
            await page.locator(complete).first.wait_for()
            assert await page.evaluate("document.documentElement.scrollWidth") == WIDTH, path
            targets = await page.evaluate(TARGETS)
            assert targets, path  # each page has a button at least, for light and dark
            for text, left, right, width, height in targets:
                assert (left >= 0, right <= WIDTH) == (True, True), (path, text)
                assert min(width, height) >= TARGET, (path, text, width, height)
