"""The report on a phone: text fits the screen, and what is wider scrolls in a box of its own."""

from pathlib import Path

import pytest
from playwright.async_api import Browser
from rich.console import Console

from experiments import store
from experiments.questions import QUESTIONS
from experiments.report import report
from tests.inventing import a_table, stored

pytestmark = pytest.mark.anyio


async def test_the_report_is_no_wider_than_a_phone(chromium: Browser, tmp_path: Path) -> None:
    table = a_table()
    table.runs["suspect_because"] = table.runs.suspect_because.astype(object)
    table.runs.loc[0, ["suspect", "suspect_because"]] = [True, "the publisher was late"]
    folder = stored(table, tmp_path)
    plan = store.read_json(folder / "plan.json")
    drawn = [name for name in QUESTIONS if name != "layers"]  # equal runs have no spread to draw there
    store.write_json(folder / "plan.json", plan | {"questions": drawn})
    report.write(folder, Console(quiet=True))
    context = await chromium.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.goto((tmp_path / "report.html").as_uri())
    await page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    for table_of in await page.locator("table").all():
        within = await table_of.evaluate("one => one.scrollWidth <= 390 || one.closest('.scroll') !== null")
        assert within, await table_of.inner_text()
    assert await page.locator("nav a").evaluate_all("all => all.every(one => one.getBoundingClientRect().right <= 390)")
    await context.close()
