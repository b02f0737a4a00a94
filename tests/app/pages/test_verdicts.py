"""The page of the claims, in a browser: what a comparison has written, or in plain words what is missing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from app.pages import verdicts
from experiments import claims, store
from tests import ROOT
from tests.browsing import axe, browsing
from tests.inventing import everything, stored
from tests.serving import ask, serving

pytestmark = pytest.mark.anyio

SIZES = [(1920, 1080), (1280, 720), (390, 844)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison with verdicts and one chart."""
    table = everything()
    folder = stored(table, tmp_path_factory.mktemp("written"))
    store.write_json(folder / "claims.json", claims.content(table))
    (folder / "figures").mkdir()
    shutil.copy(ROOT / "results/reference/figures/interval.png", folder / "figures")
    return folder


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for results, where the page looks for them."""
    monkeypatch.setattr(verdicts, "RESULTS", tmp_path)
    return tmp_path


def put(
    written: Path, results: Path, name: str, change: Callable[[dict[str, Any]], object] = lambda said: None
) -> None:
    """The comparison, in the place of `name`; `latest` points to it, as it does after a comparison."""
    folder = results / ("20260102T030405Z-0000000" if name == "latest" else name)
    shutil.copytree(written, folder)
    said = store.read_json(folder / "claims.json")
    change(said)
    store.write_json(folder / "claims.json", said)
    if name == "latest":
        store.point_latest(folder)


async def test_every_verdict_is_seen_by_everybody(chromium: Browser, written: Path, results: Path) -> None:
    put(written, results, "reference")
    said = store.read_json(written / "claims.json")
    async with serving() as running, browsing(chromium, running, path="/claims") as page:
        for claim in said["claims"]:
            card = page.locator(f"#claim-{claim['number']}")
            await expect(card.locator(".verdict")).to_have_text(claim["verdict"])
            await expect(card.locator("blockquote [lang=zh]")).to_have_text(f"「{claim['quotation']}」")
            await expect(card).to_contain_text(claim["sentence"])
            await expect(card).to_contain_text(claim["found"])
            assert await card.locator("tbody tr").count() == len(claim["numbers"])
        words = page.locator(".glance .verdict")
        assert await words.all_inner_texts() == [claim["verdict"] for claim in said["claims"]]
        assert await page.locator(".glance .verdict svg").count() == len(said["claims"])
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                await axe(page)
            await page.click(".glance li:nth-child(3) a")
            await expect(page.locator("#claim-3")).to_be_in_viewport()


async def test_it_names_its_comparison_and_links_to_the_other(chromium: Browser, written: Path, results: Path) -> None:
    put(written, results, "reference", lambda said: said.update(measured_utc="2025-05-06T07:08:09Z"))
    put(written, results, "latest")
    async with serving() as running, browsing(chromium, running, path="/claims") as page:
        run = page.locator(".run")
        await expect(run).to_contain_text("Measured 2026-01-02 (size default, commit commit) on processor, cores cores")
        await expect(run).to_contain_text("From results/20260102T030405Z-0000000.")
        await run.get_by_text("Show the project’s reference instead").click()
        await expect(run).to_contain_text("Measured 2025-05-06")
        await expect(run).to_contain_text("From results/reference.")
        await run.get_by_text("Show the last comparison on this machine instead").click()
        await expect(run).to_contain_text("Measured 2026-01-02")


async def test_a_comparison_without_verdicts_yet_gives_way_to_the_reference(
    chromium: Browser, written: Path, results: Path
) -> None:
    put(written, results, "reference")
    put(written, results, "latest")
    (results / "latest" / "claims.json").unlink()
    async with serving() as running, browsing(chromium, running, path="/claims") as page:
        await expect(page.locator(".run")).to_contain_text("From results/reference.")
        await expect(page.locator(".run a")).to_have_count(0)


async def test_without_any_results_it_says_what_to_run(chromium: Browser, results: Path) -> None:
    async with serving() as running, browsing(chromium, running, path="/claims") as page:
        await expect(page.locator(".notice")).to_have_text(
            "results/reference has no verdicts yet: `make compare` measures and writes them."
        )
        await axe(page)


NO_USE = ("", "{", "[]", "{}", "null", '{"claims": 3}', "\x00\xff", "wrong verdict", "without numbers")


async def test_an_unreadable_file_is_reported(chromium: Browser, written: Path, results: Path) -> None:
    put(written, results, "reference")
    put(written, results, "latest")
    async with serving() as running, browsing(chromium, running, path="/claims") as page:
        await expect(page.locator(".claim")).to_have_count(6)
        for text in NO_USE:
            said = store.read_json(written / "claims.json")
            if text == "wrong verdict":
                said["claims"][0]["verdict"] = "perhaps"
            if text == "without numbers":
                del said["claims"][5]["numbers"]
            broken = json.dumps(said) if " " in text and "{" not in text else text
            (results / "latest" / "claims.json").write_bytes(broken.encode("latin-1"))
            await page.goto(f"{running.url}/claims")
            await expect(page.locator(".notice")).to_have_text(
                "The verdicts in results/latest can’t be read: `make report RESULTS=results/latest` writes them again."
            )
            await expect(page.locator(".claim")).to_have_count(0)
        await page.get_by_text("Show results/reference instead").click()
        await expect(page.locator(".claim")).to_have_count(6)


async def test_what_a_file_says_is_text_and_never_markup(chromium: Browser, written: Path, results: Path) -> None:
    planted = "<img src=x onerror=alert(1)>{{ 7 * 7 }}"

    def plant(said: dict[str, Any]) -> None:
        for claim in said["claims"]:
            claim.update(dict.fromkeys(("title", "quotation", "english", "if_it_held", "sentence", "found"), planted))
            claim.update(numbers=[[planted, planted]], how=[planted], charts={planted: planted})
        said["note"]["title"] = said["measured_utc"] = said["tolerance"] = planted
        said["terms"] = [dict.fromkeys(said["terms"][0], planted)]

    put(written, results, "reference", plant)
    async with serving() as running, browsing(chromium, running, path="/claims") as page:
        await expect(page.locator("main img")).to_have_count(0)
        assert (await page.locator("main").text_content() or "").count(planted) > 6 * 10


async def test_where_a_claim_is_seen_live_there_is_a_page() -> None:
    async with serving() as running:
        for place in (path for places in verdicts.SEEN_AT.values() for path in places):
            assert (await ask(running.port, place))[0] == 200, place


async def test_charts_are_shown_as_they_are_and_nothing_else_is(written: Path, results: Path) -> None:
    put(written, results, "reference")
    async with serving() as running:
        chart = (written / "figures" / "interval.png").read_bytes()
        assert await ask(running.port, "/claims/reference/interval.png") == (200, chart)
        for path in ("latest/interval", "reference/rate", "reference/..%2Finterval", "../interval", "reference/%00"):
            status, body = await ask(running.port, f"/claims/{path}.png")
            assert (status, body.count(b"\n")) == (404, 0), path


async def test_other_results_are_refused_in_one_line(results: Path) -> None:
    async with serving() as running:
        for query, said in (
            ("results=../etc", "results='../etc' is not accepted: give latest or reference"),
            ("result=latest", "unknown parameter 'result': accepted here is results"),
        ):
            status, body = await ask(running.port, f"/claims?{query}")
            assert (status, json.loads(body)) == (400, {"error": said})
