"""The pages as they leave the server: what they may load, and the files that are made from something else."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

import app.pages
from app.pages.modes import MODES
from tests.serving import TRANSPORTS, Wire, ask, serving

pytestmark = pytest.mark.anyio

FOLDER = Path(app.pages.__file__).parent
PAGES = ("/", "/race", "/chat", "/crowd", "/limits", "/claims", *(f"/modes/{mode.path}" for mode in MODES))

CODE = {name: (FOLDER.parent / "transports" / f"{name}.py").read_text() for name in TRANSPORTS} | {
    "fanout": (FOLDER.parent / "fanout.py").read_text()
}
STATIC = {
    str(file.relative_to(FOLDER / "static")): file.read_bytes()
    for file in (FOLDER / "static").rglob("*")
    if file.is_file()
}

every_page = pytest.mark.parametrize("target", PAGES)


async def got(target: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body."""
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask(target)
        status, body = await wire.answer()
        lines = wire.received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return status, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, body.decode()


@every_page
async def test_a_page_may_load_our_own_files_and_its_import_map_and_nothing_else(target: str) -> None:
    status, headers, page = await got(target)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    (import_map,) = [text for attributes, text in scripts if 'type="importmap"' in attributes]
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert import_map == (FOLDER / "static" / "vendored" / "imports.json").read_text()
    for attributes, text in scripts:
        # All others are data, or come from a file.
        assert text == import_map or 'type="application/json"' in attributes or (not text and 'src="/' in attributes)
    assert not re.search(r"""<style|\sstyle=|\son[a-z]+=|(?:src|href)=["'](?:\w+:|//)""", page)


@every_page
async def test_a_page_is_isolated_and_always_asked_for_again(target: str) -> None:
    _, headers, _ = await got(target)
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-content-type-options"] == "nosniff"


async def test_isolation_is_not_asked_of_a_browser_that_would_only_complain() -> None:
    async with serving(names=("lecture.example",)) as running, Wire.to(running.port) as wire:
        await wire.ask("/", {"Host": "lecture.example"})
        head = (await wire.until(b"\r\n\r\n")).lower()
    assert b"content-security-policy" in head
    assert b"cross-origin-opener-policy" not in head
    assert b"cross-origin-embedder-policy" not in head


async def test_the_palette_is_a_style_sheet_with_every_colour() -> None:
    status, headers, sheet = await got("/palette.css")
    assert (status, headers["content-type"]) == (200, "text/css; charset=utf-8")
    palette = json.loads((FOLDER.parent / "palette.json").read_text())
    assert tuple(palette) == TRANSPORTS
    for name, entry in palette.items():
        assert f"--{name}: light-dark({entry['light']}, {entry['dark']});" in sheet
        assert f'[data-transport="{name}"] {{ --transport: var(--{name}); }}' in sheet
    assert sheet.count("{") == sheet.count("}") == 1 + len(palette)


@pytest.mark.parametrize("name", CODE)
async def test_code_is_shown_as_it_is(name: str) -> None:
    status, headers, source = await got(f"/code/{name}.py")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert source == CODE[name]


@pytest.mark.parametrize("name", ["socket", "__init__", "SSE", "..%2Flog", "sse.py"])
async def test_no_other_code_is_shown(name: str) -> None:
    async with serving() as running:
        status, body = await ask(running.port, f"/code/{name}.py")
    assert status == 404
    assert b"\n" not in body
    error = json.loads(body)["error"]
    assert error in ("Not Found", f"the code shown here is that of {', '.join(CODE)}")


async def test_socket_ios_client_is_where_nodes_server_has_it_too() -> None:
    status, headers, script = await got("/socket.io/socket.io.js")
    assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert script.encode() == STATIC["vendored/socket.io-client/dist/socket.io.min.js"]
    assert headers["cache-control"] == "no-cache"
    assert headers["cross-origin-resource-policy"] == "same-origin"  # for pages that are isolated


async def test_there_is_no_page_for_a_mode_that_is_none() -> None:
    async with serving() as running:
        for target in (
            "/modes/",
            "/modes/short_poll",
            "/modes/telepathy",
            "/static/nothing.js",
            "/static/../__init__.py",
        ):
            status, body = await ask(running.port, target)
            assert (status, json.loads(body)) == (404, {"error": "Not Found"})


async def test_a_static_file_is_never_mixed_with_old_ones() -> None:
    async with serving() as running:
        for name, content in STATIC.items():
            async with Wire.to(running.port) as wire:
                await wire.ask(f"/static/{name}")
                assert await wire.answer() == (200, content)
                head = wire.received.lower()
                assert b"\r\ncache-control: no-cache\r\n" in head
                assert b"\r\ncross-origin-resource-policy: same-origin\r\n" in head
