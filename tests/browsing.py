"""A person's browser at a server of ours, which takes every complaint seriously.

Chromium is driven by Playwright's asynchronous interface, because the server runs on the test's own event loop: a
blocked loop would respond to nothing.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.serving import LIMIT_S, Running, ServerProcess

# It does nothing by itself and reaches nothing else: a request to elsewhere fails, even if this machine is online.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-proxy-server", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)

AXE = Path(__file__).with_name("vendored") / "axe-core/axe.min.js"


@contextlib.asynccontextmanager
async def launched(executable: str) -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS) as browser,
    ):
        yield browser


@contextlib.asynccontextmanager
async def browsing(
    chromium: Browser,
    running: Running | ServerProcess,
    *,
    path: str = "/",
    width: int = 1280,
    height: int = 720,
    dark: bool = False,
    reduced_motion: bool = False,
    expected: Collection[str] = (),
    limit_s: float | None = 2 * LIMIT_S,
) -> AsyncIterator[Page]:
    """A page of the server, in a browser profile of its own; `width` and `height` are CSS pixels.

    The block may last `limit_s`; None is for a page that several tests share.

    With the block comes the reckoning, an AssertionError: any error or warning in the console, any exception that
    nobody caught, unless one of the regular expressions in `expected` is found in its line; and any request to
    another host than the server, which no test may expect. `expected` may grow as long as the block lasts. If the
    block itself fails, the same lines are notes on its exception, for they often say why.
    """
    context = await chromium.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce" if reduced_motion else "no-preference",
    )
    context.set_default_timeout(LIMIT_S * 1000)
    complaints, visited = watched(context)

    def reckoning() -> list[str]:
        abroad = [url for url in visited if urlsplit(url).netloc not in ("", running.host)]  # data: has no host
        unexpected = [line for line in complaints if not any(re.search(known, line) for known in expected)]
        return [*(f"request to another host: {url}" for url in abroad), *unexpected]

    try:
        # In time before pytest's own limit, which would leave the test's task on the loop that the browser needs.
        async with asyncio.timeout(limit_s):
            page = await context.new_page()
            await page.goto(running.url + path)
            yield page
            if not page.is_closed():
                await page.evaluate("0")  # whatever the page has said before this result has arrived with it
    except BaseException as problem:
        for line in reckoning():
            problem.add_note(line)
        raise
    finally:
        await context.close()
    assert not reckoning(), "\n".join(["in the browser:", *reckoning()])


def watched(context: BrowserContext) -> tuple[list[str], list[str]]:
    """What the pages of `context` complain about, a line each, and all addresses that they ask: both fill by and by."""
    complaints: list[str] = []
    visited: list[str] = []
    context.on(
        "console",
        lambda said: (
            complaints.append(f"console {said.type}: {said.text} ({said.location['url']})")
            if said.type in ("error", "warning")
            else None
        ),
    )
    context.on("weberror", lambda error: complaints.append(f"uncaught: {error.error}"))
    context.on("request", lambda request: visited.append(request.url))
    context.on("page", lambda page: page.on("websocket", lambda socket: visited.append(socket.url)))
    return complaints, visited


async def axe(page: Page) -> None:
    """Assert that axe-core finds nothing on the page that keeps somebody from using it.

    The page's content security policy may be strict: what the debugger evaluates is not subject to it.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    violations = await page.evaluate("axe.run({ resultTypes: ['violations'] }).then(found => found.violations)")
    assert not violations, "\n".join(
        [
            f"axe-core on {page.url}:",
            *(
                f"{rule['id']} ({rule['impact']}): {rule['help']}\n"
                + "\n".join(f"    {' '.join(map(str, node['target']))}" for node in rule["nodes"])
                for rule in violations
            ),
        ]
    )
