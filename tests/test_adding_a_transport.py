"""Adding a transport by the README's recipe: a toy is added to a copy of the project, and works wherever the others do.

The toy is short polling under another name. Its own files are those of short polling with the name changed; each
registry gets the line, and each table the entry, that the recipe names. Nothing else is touched.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests import ROOT
from tests.browsing import browsing
from tests.serving import python, server_process

pytestmark = pytest.mark.anyio

OWN = (
    "app/transports/short_poll.py",
    "clients/short_poll.py",
    "app/pages/static/clients/short_poll.js",
    "app/pages/static/transports/short_poll.js",
    "app/pages/static/words/transports/short_poll.js",
)
"""What a transport has of its own: files."""

LINES = (
    "app/transports/__init__.py",
    "clients/__init__.py",
    "clients/raw/__init__.py",
    "clients/headers/library.py",
    "clients/headers/browser.py",
    "experiments/variants.py",
    "app/pages/static/transports/index.js",
)
"""Where it gets a line: each of those that name short polling, once more."""

ENTRIES = ("app/palette.json", "app/pages/words/modes.py")
"""Where it gets an entry: its title and colours; what its page says."""


def renamed(text: str) -> str:
    return (
        text.replace("short_poll", "toy_poll").replace("short-poll", "toy-poll").replace("Short polling", "Toy polling")
    )


def with_toy(line: str) -> str:
    """A line of a registry, and the toy's: beside short polling where several names share one, else below it."""
    if "short_poll" not in line:
        return line
    if re.match(r"from \S+ import \w+, |export const", line):
        return line.replace("short_poll", "short_poll, toy_poll", 1)
    return line + renamed(line)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the toy in it."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("app", "clients", "experiments"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for own in OWN:
        (copy / renamed(own)).write_text(renamed((copy / own).read_text()))
    for registry in LINES:
        lines = (copy / registry).read_text().splitlines(keepends=True)
        (copy / registry).write_text("".join(map(with_toy, lines)))
    palette, modes = (copy / entry for entry in ENTRIES)
    its = list(json.loads(palette.read_text()).items())
    its.insert(1, ("toy_poll", {**its[0][1], "title": "Toy polling"}))
    palette.write_text(json.dumps(dict(its)))
    entry = re.compile(r'    "short_poll": Mode\(\n.*?\n    \),\n', re.DOTALL)
    modes.write_text(entry.sub(lambda found: found[0] + renamed(found[0]), modes.read_text()))
    return copy


def test_the_recipe_names_every_place() -> None:
    recipe = (ROOT / "README.md").read_text().partition("**Add a transport:**")[2].partition("**Add a question:**")[0]
    places = re.findall(r"`([^`]+)`", recipe)
    for file in (*OWN, *LINES, *ENTRIES):
        assert file.replace("short_poll", "NAME") in places, file


RECEIVE = """
import asyncio, itertools, sys
from clients import CLIENTS, raw

async def first(stream):
    async for update in stream:
        return update.text

async def main(url):
    streams = CLIENTS["toy_poll"].receive(url, "0"), raw.receive("toy_poll", url, "0")
    print(*[await asyncio.wait_for(first(stream), 20) for stream in streams])

asyncio.run(main(sys.argv[1]))
"""


async def test_its_clients_receive(project: Path) -> None:
    async with server_process("--publish-hz", "20", cwd=project) as server:
        client = await python("-c", RECEIVE, server.url, cwd=project)
        told, problems = await client.communicate()
    assert not problems.decode()
    assert re.fullmatch(r"(sample message 1, .*) \1", told.decode().strip())


MEASURE = """
import json
from experiments.design import Condition, Run, every_variant
from experiments.run.measure import measure

if __name__ == "__main__":
    condition = next(c for c in every_variant(client="raw", rate_hz=20.0) if c.variant == "toy_poll")
    result = measure(Run(condition, 0, 1.0, seed=1))
    print(json.dumps(result["metrics"]))
"""


async def test_it_is_measured_and_its_ledger_balances(project: Path) -> None:
    (project / "measuring.py").write_text(MEASURE)
    measuring = await python("-m", "measuring", cwd=project)
    told, problems = await measuring.communicate()
    metrics = json.loads(told or "null")
    assert metrics, problems.decode()
    assert metrics["deliveries"] == metrics["published"] * 5 > 0
    assert metrics["requests"] > 0
    assert metrics["down_poll_body_bytes"] > 0


async def test_its_page_its_lane_and_its_place_in_the_chat(project: Path, chromium: Browser) -> None:
    async with server_process(cwd=project) as server, browsing(chromium, server, path="/modes/toy-poll?rate=5") as page:
        await expect(page.locator("h1")).to_contain_text("Toy polling")
        await expect(page.locator("#count-messages")).not_to_have_text("0")
        await expect(page.locator("#count-requests")).not_to_have_text("0")
        await page.goto(f"http://127.0.0.1:{server.port}/race?rate=5")
        await expect(page.locator('.lane[data-transport="toy_poll"]')).to_have_attribute(
            "data-received", re.compile("[1-9]")
        )
        await page.goto(f"http://127.0.0.1:{server.port}/")
        await expect(page.locator('main [data-transport="toy_poll"]').first).to_be_visible()
        await page.goto(f"http://127.0.0.1:{server.port}/chat")
        await expect(page.get_by_label("Toy polling")).to_have_count(1)
