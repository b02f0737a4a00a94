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
    "/limits": "#run-equal:not([aria-disabled])",
    "/limits/away?seconds=600": "#back",
    "/claims": ".glance",
    "/nonsense": ".notice",
    **{f"/modes/{mode.path}": "#live svg" for mode in MODES},
}
"""Each page, and what is there when it is complete."""


@pytest.mark.parametrize("path", PAGES)
async def test_it_fits(chromium: Browser, path: str) -> None:
    async with (
        serving() as running,
        browsing(chromium, running, path=path, width=WIDTH, height=HEIGHT, expected=["status of 404"]) as page,
    ):
        await page.locator(PAGES[path]).first.wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") == WIDTH
        for button in await page.locator("button:visible, select:visible, input:visible:not([type=range])").all():
            box = await button.bounding_box()
            text = await button.evaluate("one => one.outerHTML.slice(0, 80)")
            assert box, text
            if await button.evaluate("one => one.matches('[type=radio], [type=checkbox]')"):
                label = await button.evaluate("one => one.closest('label').getBoundingClientRect().toJSON()")
                box = {**box, "height": label["height"], "width": label["width"]}
            assert box["x"] >= 0, text
            assert box["x"] + box["width"] <= WIDTH, text
            assert min(box["width"], box["height"]) >= TARGET, (text, box)
