"""The clients of the pages, in a real browser, without any page around them: receive(url, options, tell)."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, WebSocketRoute

from tests.browsing import browsing
from tests.serving import Running, serving

pytestmark = pytest.mark.anyio

CASES: list[tuple[str, dict[str, object]]] = [
    ("short_poll", {"pause_s": 0.05}),
    ("long_poll", {"hold_s": 0.1}),  # the first response says that it is connected
    ("sse", {}),
    ("websocket", {}),
    ("socket_io", {}),
    ("socket_io", {"via": "websocket"}),
    ("socket_io", {"via": "polling"}),
]
every_client = pytest.mark.parametrize(
    ("transport", "options"), CASES, ids=["-".join([name, *map(str, options.values())]) for name, options in CASES]
)

RECEIVE = """async ([transport, options]) => {
  globalThis.client?.stop();
  const { TRANSPORTS } = await import("/static/transports/index.js");
  const { resolve, promise } = Promise.withResolvers();
  globalThis.told = { message: [], missed: [], lost: [] };
  const tell = { connected: resolve };
  for (const [what, all] of Object.entries(told)) tell[what] = one => all.push(one.message ?? one);
  globalThis.client = TRANSPORTS[transport].receive("", options, tell);
  await promise;
}"""


@pytest.fixture(scope="module")
async def opened(chromium: Browser) -> AsyncIterator[tuple[Page, Running]]:
    """A page and its server: every test lets the client before it stop."""
    expected = ("400 .Bad Request",)
    async with serving() as running, browsing(chromium, running, expected=expected, limit_s=None) as page:
        yield page, running


async def receives(page: Page, running: Running, transport: str, options: dict[str, object]) -> None:
    await page.evaluate(RECEIVE, [transport, {"after": str(running.log.newest), **options}])


async def publish(page: Page, text: str) -> Any:
    """The promised message, or the words of the refusal."""
    return await page.evaluate("text => client.publish({ text }).catch(problem => problem.message)", text)


@every_client
async def test_what_is_published_is_promised_and_received(
    opened: tuple[Page, Running], transport: str, options: dict[str, object]
) -> None:
    page, running = opened
    await receives(page, running, transport, options)
    promised = [await publish(page, text) for text in ("first", "<b>second</b>")]
    await page.wait_for_function("() => told.message.length === 2")
    received = await page.evaluate("told")
    assert [message["text"] for message in received["message"]] == ["first", "<b>second</b>"]
    assert (received["missed"], received["lost"]) == ([], [])
    assert promised == (received["message"] if transport != "websocket" else [None, None])
    await page.evaluate("client.stop(); globalThis.stopped = told")
    await receives(page, running, transport, options)
    running.log.publish("the first one does not listen any more")
    await page.wait_for_function("() => told.message.length === 1")
    assert len(await page.evaluate("stopped.message")) == 2


@every_client
async def test_it_begins_where_it_is_told_to(
    opened: tuple[Page, Running], transport: str, options: dict[str, object]
) -> None:
    page, running = opened
    before = running.log.publish("seen").cursor
    running.log.publish("not yet seen")
    await page.evaluate(RECEIVE, [transport, {**options, "after": str(before)}])
    await page.wait_for_function("() => told.message.length === 1")
    assert [message["text"] for message in await page.evaluate("told.message")] == ["not yet seen"]


@every_client
async def test_a_refusal_has_the_servers_words(
    opened: tuple[Page, Running], transport: str, options: dict[str, object]
) -> None:
    page, running = opened
    await receives(page, running, transport, options)
    refused = await publish(page, "")
    if transport == "websocket":  # it can't be told which frame was refused: the connection closes
        await page.wait_for_function("() => told.lost.length === 1")
        (refused,) = await page.evaluate("told.lost")
    assert "the text has 0 bytes: 1 to 16384 are accepted" in refused


async def test_a_websocket_that_is_not_there_takes_no_message(opened: tuple[Page, Running]) -> None:
    page, running = opened
    await receives(page, running, "websocket", {})
    # In the moment of the loss, before it has reconnected.
    await page.evaluate("""globalThis.refused = new Promise(done => {
        told.lost.push = () => client.publish({ text: "lost" }).catch(problem => done(problem.message));
    }); 0""")
    running.link.cut()
    assert await page.evaluate("refused") == "not connected at the moment"


# A cut between the server's saying where the reader is now and its saying what was missed

OLD, NEW = "deadbeef-2", "7f3a90c2-4"
MISSED = {"reason": "restarted", "cursor": NEW}
CUTS: list[tuple[str, dict[str, object], list[str]]] = [
    ("short_poll", {"pause_s": 0.05}, ['{"cursor":"7f3a90c2-4","messages":[],"mis']),
    ("long_poll", {"hold_s": 1}, ['{"cursor":"7f3a90c2-4","messages":[],"mis']),
    ("sse", {}, [f"retry: 10\nid: {NEW}\nevent: missed\n"]),
    ("websocket", {}, [json.dumps({"cursor": NEW})]),
    ("socket_io", {"via": "websocket"}, ['0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}']),
]


@pytest.mark.parametrize(("transport", "options", "begun"), CUTS, ids=[name for name, *_ in CUTS])
async def test_a_cut_before_the_notice_makes_no_silent_gap(
    chromium: Browser, transport: str, options: dict[str, object], begun: list[str]
) -> None:
    """The first connection ends too early; the second must request the same as the first."""
    expected = ("ERR_", "WebSocket connection to")
    asked: list[str] = []

    async def stream(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id") or route.request.url.split("after=")[1].split("&")[0])
        kind = "text/event-stream" if transport == "sse" else "application/json"
        whole = f"event: missed\nid: {NEW}\ndata: {json.dumps({'missed': MISSED})}\n\n"
        if transport != "sse":
            whole = json.dumps({"missed": MISSED, "messages": [], "cursor": NEW})
        await route.fulfill(content_type=kind, body=begun[0] if len(asked) == 1 else whole)

    async def socket(route: WebSocketRoute) -> None:
        if transport == "websocket":
            asked.append(route.url.split("after=")[1])
            route.send(begun[0] if len(asked) == 1 else json.dumps({"missed": MISSED}))
            await route.close()
            return

        async def connect(packet: str | bytes) -> None:
            asked.append(json.loads(str(packet)[2:])["after"])
            route.send('40{"sid":"b"}')
            update = ["cursor", {"cursor": NEW}] if len(asked) == 1 else ["missed", MISSED]
            route.send(f"42{json.dumps(update)}")
            await route.close()

        route.on_message(lambda packet: asyncio.ensure_future(connect(packet)))
        route.send(begun[0])

    async with serving() as running, browsing(chromium, running, expected=expected) as page:
        await page.route(re.compile("/(short-poll|long-poll|sse)\\?"), stream)
        await page.route_web_socket(re.compile("/(websocket|socket.io/)\\?"), socket)
        await page.reload()  # so that a client that keeps a reference to the browser's own gets this one
        await page.evaluate(RECEIVE.replace("await promise;", ""), [transport, {"after": OLD, **options}])
        await page.wait_for_function("() => told.missed.length > 0")
        assert (await page.evaluate("told.missed"))[0] == MISSED
        await page.evaluate("client.stop()")
    assert asked[:2] == [OLD, OLD]
