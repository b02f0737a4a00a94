"""The pages' modules that only compute, imported in a real browser: formulas, bounds, what the address says."""

import itertools
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from app.engine_io import PING_INTERVAL_S
from experiments.analysis.theory import Polling, Push
from tests.browsing import axe, browsing
from tests.serving import TRANSPORTS, serving

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """For modules that keep nothing: the same page for all."""
    async with serving() as running, browsing(chromium, running, limit_s=None) as page:
        yield page


async def imported(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """What the JavaScript function body `body` returns, with `module` imported as `m` and `argument` as `given`."""
    return await page.evaluate(f"async given => {{ const m = await import('/static/{module}.js'); {body} }}", argument)


async def test_the_pages_have_the_formulas_of_the_report(page: Page) -> None:
    settings: list[dict[str, Any]] = [
        {"rate_hz": rate_hz, "delay_s": delay_s, "pause_s": pause_s, "hold_s": hold_s, "via": via, "upgrades": "pass"}
        for rate_hz, delay_s, pause_s, hold_s, via in itertools.product(
            (0.1, 1, 10), (0.01, 0.2), (0.5, 5), (1, 25), ("upgrade", "polling")
        )
    ]
    within = [0.0, 0.005, 0.01, 0.1, 0.2, 0.3, 1.0, 6.0]
    for transport in TRANSPORTS:
        computed = await imported(
            page,
            "transports/index",
            """return given.settings.map(s => {
                const { mean_s, shareWithin } = m.TRANSPORTS[given.transport].expected(s);
                return [mean_s, ...given.within.map(shareWithin)];
            })""",
            {"settings": settings, "within": within, "transport": transport},
        )
        for setting, (mean_s, *shares) in zip(settings, computed, strict=True):
            model = formula(transport, **setting)
            assert mean_s == pytest.approx(model.mean_delay_s)
            assert shares == pytest.approx([model.share_within(one_s) for one_s in within])


def formula(
    transport: str, rate_hz: float, delay_s: float, pause_s: float, hold_s: float, via: str, upgrades: str
) -> Polling | Push:
    if transport == "short_poll":
        return Polling(rate_hz, 2 * delay_s + pause_s, 0, delay_s)
    if transport == "long_poll":
        return Polling(rate_hz, 2 * delay_s, hold_s, delay_s)
    if transport == "socket_io" and (via == "polling" or upgrades != "pass"):
        return Polling(rate_hz, 2 * delay_s, PING_INTERVAL_S, delay_s)
    return Push(delay_s)


async def test_every_prediction_has_one_right_answer_among_different_ones_anywhere(page: Page) -> None:
    positions_at_first = set()
    for transport in TRANSPORTS:
        predictions = await imported(
            page,
            "live/prediction",
            """const transport = (await import("/static/transports/index.js")).TRANSPORTS[given];
            const each = [0.2, 0, 0.01, 0.025, 0.05, 0.1, 0.3, 1].flatMap(delay_s => [0.5, 0, 10].flatMap(rate_hz =>
                [2, 0.1, 30].flatMap(pause_s => ["upgrade", "polling"].map(via =>
                    ({ rate_hz, delay_s, pause_s, hold_s: 25, via, upgrades: "pass" })))));
            return each.map(settings => {
                const expected = transport.expected(settings), { question, because } = transport.words;
                const words = [question(settings), because(settings, expected)];
                return { delay_s: settings.delay_s, words, ...m.prediction(transport, settings) };
            })""",
            transport,
        )
        positions = set()
        for one in predictions:
            assert one["right_s"] in one["options_s"]
            assert 2 <= len(one["options_s"]) <= 4
            assert sorted(set(one["options_s"])) == one["options_s"]
            assert not re.search("NaN|–|undefined", str(one))
            if one["delay_s"]:
                positions.add(one["options_s"].index(one["right_s"]))
        assert len(positions) >= 3, transport
        as_opened = predictions[0]
        positions_at_first.add(as_opened["options_s"].index(as_opened["right_s"]))
    assert len(positions_at_first) > 2


async def test_a_page_that_is_left_open_does_not_grow(page: Page) -> None:
    """Many hours' worth of everything; each list is at its limit long before, and stays there."""
    sizes = await imported(
        page,
        "live/model",
        """const model = new m.Model(), sizes = [];
        const bytes = new Uint8Array(10);
        for (let i = 0; i < 40_000; i++) {
            const at_ms = 1000 * i, cursor = `a-${i}`;
            model.published({ cursor, published_ms: at_ms });
            model.piece({ connection: i, direction: "up", at_ms, arrives_ms: at_ms, bytes,
                parts: [], facts: [{ type: "request", number: 1, method: "GET", target: "/s/a/b/long-poll" }] });
            model.arrived({ cursor, published_ms: at_ms }, at_ms + 1);
            model.closed(i, at_ms + 2);
            const { arrows, holds, messages, marks, delays_ms } = model;
            if (i % 20_000 === 19_999) {
                sizes.push([arrows.length, holds.length, messages.size, marks.length, delays_ms.length]);
            }
        }
        return sizes""",
    )
    assert sizes[0] == sizes[1]
    assert max(sizes[1]) <= 4000


async def test_every_request_whose_arrow_is_kept_keeps_its_bar(page: Page) -> None:
    arrows, holds = await imported(
        page,
        "live/model",
        """const model = new m.Model(), bytes = new Uint8Array(10);
        for (let i = 0; i < 1000; i++) {
            const piece = { connection: 1, at_ms: 1000 * i, arrives_ms: 1000 * i, bytes, parts: [] };
            const request = { type: "request", number: i, method: "GET", target: "/s/a/b/long-poll" };
            model.piece({ ...piece, direction: "up", facts: [request] });
        }
        return [model.arrows, model.holds].map(list => list.map(({ at_ms, from_ms }) => at_ms ?? from_ms))""",
    )
    assert len(arrows) == 300
    assert holds == arrows


async def test_setting_up_a_connection_is_no_messages_cost_even_if_they_leave_together(page: Page) -> None:
    counts, per_message, reset = await imported(
        page,
        "live/model",
        """const { TRANSPORTS } = await import("/static/transports/index.js");
        const model = Object.assign(new m.Model(), { setup: TRANSPORTS.websocket.setup });
        const piece = { connection: 1, arrives_ms: 0, parts: [] };
        const crosses = (direction, at_ms, size, ...facts) =>
            model.piece({ ...piece, direction, at_ms, bytes: new Uint8Array(size), facts });
        crosses("up", 0, 500, { type: "request", number: 1, method: "GET", target: "/websocket" });
        crosses("down", 10, 200, { type: "response", number: 1, status: 101 }, { type: "upgrade", number: 1 });
        crosses("down", 10.5, 30, { type: "position", cursor: "e-1" });
        for (const [i, cursor] of ["e-2", "e-3"].entries()) {
            crosses("down", 11 + 500 * i, 100, { type: "message", cursor });
            model.arrived({ cursor, published_ms: 5 }, 1000);
        }
        const { up, down, setup, messages } = model.counts, { bytesPerMessage } = model;
        model.reset(2000);
        return [[up, down, setup, messages], bytesPerMessage, model.counts.setup]""",
    )
    assert counts == [500, 430, 730, 2]
    assert per_message == 100
    assert reset == 0


async def test_an_arrow_is_of_one_kind_that_every_table_knows(page: Page) -> None:
    """The kinds that took some deciding; and no transport speaks of one that does not exist."""
    response, poll = {"type": "response", "number": 1, "status": 200}, {"type": "response_end", "number": 1}
    cases: list[tuple[str, list[dict[str, Any]], str]] = [
        ("up", [{"type": "request", "method": "GET", "target": "/s/a/b/long-poll?after=e-4&hold=25"}], "request"),
        ("up", [{"type": "request", "method": "GET", "target": "/sse", "lastEventId": "e-4"}], "resume"),
        ("up", [{"type": "request", "method": "GET", "target": "/socket.io/?EIO=4"}], "handshake_request"),
        ("up", [{"type": "request", "method": "GET", "target": "/socket.io/?sid=a"}], "poll_request"),
        ("up", [{"type": "request", "method": "POST", "target": "/socket.io/?sid=a"}, {"type": "connect"}], "connect"),
        ("down", [response, {"type": "missed"}, {**poll, "messages": ["e-5"], "missed": True}], "messages"),
        ("down", [response, {"type": "missed"}, {**poll, "messages": [], "missed": True}], "missed"),
        ("down", [response, {**poll, "messages": [], "empty": True}], "empty"),
        ("down", [response, {"type": "noop"}, {**poll, "messages": [], "empty": True}], "noop"),
        ("down", [response, {"type": "connect"}, {"type": "position", "cursor": "e-4"}], "position"),
        ("down", [{**response, "status": 101}, {"type": "upgrade"}], "upgraded"),
        ("down", [{**response, "status": 400}], "error"),
        ("down", [{"type": "probe"}], "probe_ok"),
        ("down", [], "bytes"),
    ]
    kinds, labels, unknown = await imported(
        page,
        "live/arrow",
        """const { LABELS, label, SENTENCES } = await import("/static/words/arrows.js");
        const { TRANSPORTS } = await import("/static/transports/index.js");
        const arrows = given.map(([direction, facts]) => m.classify(direction, facts));
        const named = Object.values(TRANSPORTS)
            .flatMap(({ words, setup }) => [...Object.keys(words.arrows), ...setup({})]);
        return [arrows.map(({ kind }) => kind), arrows.map(label),
            [...named, ...Object.keys(SENTENCES)].filter(kind => !(kind in LABELS))]""",
        cases,
    )
    assert kinds == [kind for *_, kind in cases]
    assert labels[0] == "GET /long-poll?after=…4&hold=25"
    assert labels[4:6] == ["POST /socket.io/ · connect", "200 · some were missed · message 5"]
    assert labels[6:8] == ["200 · some were missed", "200 · nothing new"]
    assert unknown == []


async def test_a_stopped_picture_keeps_a_bounded_amount(page: Page) -> None:
    waited, applied, opened = await imported(
        page,
        "live/gate",
        """let applied = 0, opened = 0, waited = 0;
        const gate = new m.Gate(() => { applied++; return true; }, () => false, () => { opened++; });
        gate.stop();
        for (; !opened; waited++) gate.push({ at_ms: applied, bytes: given });
        return [waited, applied, opened]""",
        1_000_000,
    )
    assert (applied, opened) == (waited, 1)
    assert 10 < waited < 100


async def test_the_clock_takes_the_quickest_probe_and_notices_a_jump(page: Page) -> None:
    found = await imported(
        page,
        "live/feed",
        """const clock = new m.Clock(), found = [];
        for (const [sent_ms, server_ms, received_ms] of given) {
            clock.learn(sent_ms, server_ms, received_ms);
            found.push([clock.now() - performance.now(), clock.uncertainty_ms]);
        }
        return found""",
        [[0, 1010, 20], [100, 1103, 104], [200, 1230, 260], [1000, 3_602_010, 1020]],
    )
    expected = [(1000, 10), (1001, 2), (1001, 2), (3_601_000, 10)]
    for (offset_ms, uncertainty_ms), (said_ms, exact_ms) in zip(found, expected, strict=True):
        assert offset_ms == pytest.approx(said_ms, abs=0.5)
        assert uncertainty_ms == pytest.approx(exact_ms)


async def test_no_label_covers_an_arrow_or_another_label(page: Page) -> None:
    for gap_ms in (20, 40, 80, 320):
        arrows = [
            {
                "id": f"{direction}{i}",
                "direction": direction,
                "at_ms": at_ms,
                "arrives_ms": at_ms + 60,
                "tone": tone,
            }
            | {"label": "GET /long-poll?after=…7"}
            for i in range(12)
            for direction, tone, at_ms in (("up", "request", gap_ms * i), ("down", "update", gap_ms * i + 60))
        ]
        texts = await imported(page, "draw/labels", "return m.labels(given, ms => ms, 100, 700, 16)", arrows)
        assert texts
        for one, other in itertools.combinations(texts, 2):
            if one["anchor"] == other["anchor"]:
                assert abs(one["y"] - other["y"]) >= 16


async def test_the_address_is_read_strictly_and_written_sparingly(page: Page) -> None:
    read = await imported(
        page,
        "live/address",
        """const known = { rate: { otherwise: 1, range: [0, 10] }, name: { otherwise: "", pattern: /^[a-z]+$/ } };
        return given.map(search => {
            const { values, problems } = m.read(known, search);
            return [values, problems, m.address(known, values)];
        })""",
        [
            "",
            "?rate=2.5&name=abc",
            "?rate=11",
            "?rate=",
            "?rate=NaN",
            "?name=A%20b",
            "?nmae=abc",
            "?rate=<b>1</b>",
            "?rate=2&rate=3",
        ],
    )
    default = {"rate": 1, "name": ""}
    assert read[0] == [default, [], "/"]
    assert read[1] == [{"rate": 2.5, "name": "abc"}, [], "/?rate=2.5&name=abc"]
    assert read[8] == [{"rate": 2, "name": ""}, ["rate is given more than once; using the first, 2."], "/?rate=2"]
    for values, problems, address in read[2:8]:
        assert values == default and address == "/"
        assert len(problems) == 1
    assert read[2][1] == ["rate=11 is not a number from 0 to 10; using 1."]
    assert read[6][1] == ["Unknown setting nmae; known: rate, name."]


async def test_numbers_are_written_as_people_read_them(page: Page) -> None:
    durations = await imported(
        page, "words/format", "return given.map(m.duration)", [0, 0.04, 9.94, 9.96, 310.4, 999.4, 999.6, 2413]
    )
    assert durations == ["0.0 ms", "0.0 ms", "9.9 ms", "10 ms", "310 ms", "999 ms", "1.00 s", "2.41 s"]
    sizes = await imported(
        page, "words/format", "return given.map(m.size)", [0, 213, 999.4, 999.6, 12345, 999_499, 1e6]
    )
    assert sizes == ["0 B", "213 B", "999 B", "1.00 kB", "12.3 kB", "999 kB", "1.00 MB"]


async def test_the_home_page_fits_and_its_links_work(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running) as page:
        for width, height in ((1920, 1080), (1280, 720), (390, 844)):
            await page.set_viewport_size({"width": width, "height": height})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await axe(page)
        assert await page.locator(".card .sketch svg").count() == len(TRANSPORTS)
        assert running.url in await page.inner_text(".shell")
        links = await page.eval_on_selector_all("main a[href^='/']", "links => links.map(link => link.href)")
        for link in links:
            answer = await page.request.get(link)
            assert answer.status == 200, link
        await page.click("text=Open it")
        await page.wait_for_url("**/race?session=lecture")


async def test_light_and_dark_are_remembered(chromium: Browser) -> None:
    async with serving() as running, browsing(chromium, running) as page:
        background = "getComputedStyle(document.body).backgroundColor"
        light = await page.evaluate(background)
        await page.click("#theme")
        dark = await page.evaluate(background)
        assert dark != light
        await page.reload()
        assert await page.evaluate(background) == dark
        assert await page.inner_text("#theme") == "Light"
