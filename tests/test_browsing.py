"""The browser that the tests use works, and it fails a test when it should."""

import pytest
from playwright.async_api import Browser

from tests.browsing import axe, browsing
from tests.serving import serving

pytestmark = pytest.mark.anyio


async def test_the_browser_is_as_asked_for(chromium: Browser) -> None:
    dark, reduced = (
        f"matchMedia('(prefers-{what})').matches" for what in ("color-scheme: dark", "reduced-motion: reduce")
    )
    asks = f"[innerWidth, innerHeight, {dark}, {reduced}]"
    async with serving() as running:
        async with browsing(chromium, running) as page:
            assert await page.evaluate(asks) == [1280, 720, False, False]
        async with browsing(chromium, running, width=360, height=640, dark=True, reduced_motion=True) as page:
            assert await page.evaluate(asks) == [360, 640, True, True]


@pytest.mark.parametrize(
    "script",
    [
        "console.error('planted')",
        "console.warn('planted')",
        "new Promise(done => setTimeout(() => { setTimeout(done); throw Error('planted') }))",
        "void Promise.reject(Error('planted'))",
        "fetch('/planted').then(answer => answer.text())",
    ],
)
async def test_a_complaint_fails_the_test_that_does_not_expect_it(chromium: Browser, script: str) -> None:
    async with serving() as running:
        with pytest.raises(AssertionError, match="planted"):
            async with browsing(chromium, running) as page:
                await page.evaluate(script)
        expected: list[str] = []
        async with browsing(chromium, running, expected=expected) as page:
            expected.append("planted")
            await page.evaluate(script)


@pytest.mark.parametrize(
    "script",
    [
        "fetch('http://elsewhere.example/').catch(() => 0)",
        "new Promise(done => new WebSocket('ws://elsewhere.example/').onerror = done)",
        "new Promise(done => Object.assign(new Image(), { src: 'http://127.0.0.1:1/', onerror: done }))",
    ],
)
async def test_a_request_to_another_host_fails_the_test(chromium: Browser, script: str) -> None:
    async with serving() as running:
        with pytest.raises(AssertionError, match=r"request to another host: .*(elsewhere\.example|127\.0\.0\.1:1)/"):
            # A text without the pages' policy, which would not let it come so far.
            async with browsing(chromium, running, path="/code/sse.py", expected=["ERR_"]) as page:
                await page.evaluate(f"({script}).then(() => 0)")


async def test_the_pages_may_not_even_ask_another_host(chromium: Browser) -> None:
    async with serving() as running:
        with pytest.raises(AssertionError, match="Content Security Policy"):
            async with browsing(chromium, running) as page:
                await page.evaluate("fetch('http://elsewhere.example/').catch(() => 0)")


async def test_a_failure_says_what_the_browser_complained_about(chromium: Browser) -> None:
    async with serving() as running:
        with pytest.raises(KeyError) as caught:
            async with browsing(chromium, running) as page:
                await page.evaluate("console.error('planted')")
                raise KeyError("another")
        assert "planted" in caught.value.__notes__[0]


async def test_axe_finds_what_keeps_somebody_out(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running) as page:
        await page.evaluate("document.querySelector('h1').append(Object.assign(new Image(), { id: 'planted' }))")
        with pytest.raises(AssertionError, match=r"(?s)image-alt.*#planted"):
            await axe(page)
