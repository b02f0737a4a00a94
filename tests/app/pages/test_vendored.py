"""The JavaScript that is not ours is what its manifest says, complete, and content with itself and our import map."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browsing import axe, browsing
from tests.serving import serving
from tests.vendor import LIBRARIES, PAGES

STATIC = PAGES.parent
IMPORTS = PAGES / "imports.json"
PARTS = [file for file in sorted(STATIC.parent.rglob("*")) if file.suffix in (".js", ".mjs", ".css", ".html", ".svg")]

# What makes a browser load something; a link to click on is none, nor is the name of an XML namespace.
FOREIGN = re.compile(
    r"""(?:\b(?:import|from)\s*|\b(?:import|fetch|url|URL|EventSource|WebSocket|Worker|importScripts)\s*\(\s*
    |\bsrc(?:set)?\s*=\s*|<link\b[^>]*\bhref\s*=\s*)["'`]?(?:https?:|wss?:)?//[\w\[]""",
    re.VERBOSE,
)


@pytest.fixture(params=LIBRARIES, ids=lambda folder: folder.parent.name)
def folder(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def manifest(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text())


def test_the_manifest_lists_the_files_that_are_there(folder: Path) -> None:
    files = {file.relative_to(folder): file for file in folder.rglob("*") if file.is_file()}
    there = {
        str(path): hashlib.sha256(file.read_bytes()).hexdigest()
        for path, file in files.items()
        if path.name not in ("manifest.json", IMPORTS.name)
    }
    listed = {
        f"{package}/{path}": sha256
        for package, entry in manifest(folder).items()
        for path, sha256 in entry["files"].items()
    }
    assert there == listed


def test_every_library_has_its_version_and_its_licence(folder: Path) -> None:
    libraries = manifest(folder)
    assert list(libraries) == [library.package for library in LIBRARIES[folder]]
    for library in LIBRARIES[folder]:
        entry = libraries[library.package]
        assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])
        assert entry["license"] in ("Apache-2.0", "BSD-3-Clause", "MIT", "MPL-2.0")
        assert tuple(entry["files"]) == library.files
        assert "opyright" in (folder / library.package / "LICENSE").read_text()


@pytest.mark.parametrize("file", PARTS, ids=lambda file: str(file.relative_to(STATIC.parent)))
def test_no_part_of_a_page_loads_anything_from_elsewhere(file: Path) -> None:
    assert FOREIGN.findall(file.read_text()) == []


@pytest.mark.parametrize(
    ("text", "loads"),
    [
        ('import a from "https://elsewhere.example/a.js"', True),
        ('import"//elsewhere.example/a.js"', True),
        ("export{a}from'https://elsewhere.example/a.js'", True),
        ("fetch(`http://elsewhere.example`)", True),
        ("new WebSocket('ws://elsewhere.example')", True),
        ("<img alt='' src=//elsewhere.example/a.png>", True),
        ("<link rel=stylesheet href='https://elsewhere.example/a.css'>", True),
        ("background: url(https://elsewhere.example/a.png)", True),
        ("<a href='https://elsewhere.example'>", False),
        ('createElementNS("http://www.w3.org/2000/svg")', False),
        ('import a from "./a.js" // as on https://elsewhere.example', False),
    ],
)
def test_loading_from_elsewhere_is_found(text: str, loads: bool) -> None:
    assert bool(FOREIGN.search(text)) == loads


def imported(module: str) -> Iterator[str]:
    """What the source of an ES module imports."""
    yield from re.findall(r"""\b(?:import|from)\s*\(?\s*["']([\w@./-]+)["']""", module)


def test_the_import_map_knows_every_bare_import() -> None:
    imports = json.loads(IMPORTS.read_text())["imports"]
    for target in imports.values():
        assert (STATIC / target.removeprefix("/static/")).is_file(), target
    modules = [file for file in PARTS if file.suffix in (".js", ".mjs")]
    bare = {name for file in modules for name in imported(file.read_text()) if not name.startswith((".", "/"))}
    assert bare - set(imports) == set()
    assert {"preact", "preact/hooks", "@preact/signals-core", "htm"} <= bare  # so it does find them


PAGE = """
import { html, render } from "htm/preact";
import { useState } from "preact/hooks";
import { computed, signal } from "@preact/signals";
import { signal as coreSignal } from "@preact/signals-core";
import hljs from "highlight.js";
import javascript from "highlight.js/languages/javascript";
import python from "highlight.js/languages/python";

hljs.registerLanguage("javascript", javascript);
hljs.registerLanguage("python", python);
const count = signal(1), double = computed(() => 2 * count.value), core = coreSignal("core");
function App() {
  const [local, setLocal] = useState(0);
  const code = { __html: hljs.highlight("async def f(): pass", { language: "python" }).value
    + hljs.highlight("const a = 1", { language: "javascript" }).value };
  return html`<p>${double} ${count.value} ${local} ${core.value}</p>
    <button onClick=${() => { count.value++; setLocal(local + 10); }}>More</button>
    <pre dangerouslySetInnerHTML=${code}></pre>`;
}
render(html`<${App} />`, document.querySelector("main"));
"""


@pytest.mark.anyio
async def test_the_libraries_work_together_under_a_strict_policy(chromium: Browser) -> None:
    import_map = IMPORTS.read_text()
    policy = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    page_html = (
        "<!doctype html><html lang=en><title>Together</title><link rel=icon href='data:,'>"
        f"<script type=importmap>{import_map}</script><script type=module src=/static/page.js></script>"
        "<main><h1>Together</h1></main>"
    )
    security = {"Content-Security-Policy": f"default-src 'self'; img-src data:; script-src 'self' 'sha256-{policy}'"}

    async def give(route: Route) -> None:
        path = route.request.url.partition("/static/")[2]
        if path == "page.js":
            await route.fulfill(body=PAGE, content_type="text/javascript")
        elif path:
            await route.fulfill(path=STATIC / path, content_type="text/javascript")
        else:
            await route.fulfill(body=page_html, content_type="text/html", headers=security)

    async with serving() as running, browsing(chromium, running) as page:
        await page.route("**/*", give)
        await page.goto(running.url)
        text = page.get_by_role("paragraph")
        await expect(text).to_have_text("2 1 0 core")
        await page.get_by_role("button").click()
        await expect(text).to_have_text("4 2 10 core")
        assert await page.locator("pre .hljs-keyword").all_inner_texts() == ["async", "def", "pass", "const"]
        await axe(page)  # the policy that forbids everything else does not keep it out
        await page.wait_for_function("() => document.title === 'Together'")
