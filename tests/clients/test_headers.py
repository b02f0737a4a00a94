"""What the raw client says about itself, against those whom it imitates."""

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from clients import CLIENTS, raw, socket_io
from clients.headers import browser, library
from experiments.variants import VARIANTS
from tests.serving import LIMIT_S, PLAIN_TRANSPORTS, eventually, path, plain_server, serving
from tests.witness import Witness

pytestmark = pytest.mark.anyio

PAGE = b"""<!doctype html><script>
fetch("/short-poll"); fetch("/long-poll"); new EventSource("/sse"); new WebSocket(`ws://${location.host}/websocket`)
</script>"""

POLLING = b"""<!doctype html><script>
for (const method of ["GET", "POST"]) { // as engine.io-client does
  const request = new XMLHttpRequest();
  request.open(method, "/socket.io/", true);
  if (method === "POST") request.setRequestHeader("Content-type", "text/plain;charset=UTF-8");
  request.setRequestHeader("Accept", "*/*");
  request.send(method === "POST" ? "40" : null);
}
new WebSocket(`ws://${location.host}/socket.io/`);
</script>"""

SOCKET_IO_VIA: dict[str, tuple[str, ...]] = {
    variant.via: variant.library_transports for variant in VARIANTS.values() if variant.via
}


@contextlib.asynccontextmanager
async def listening(page: bytes = PAGE) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that remembers the heads of requests, and responds with a page to `/` and to nothing else."""
    heads: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head.decode())
        if head.startswith(b"GET / "):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + page)
        else:
            await reader.read()

    async with plain_server(talk) as host:
        yield host, heads


def without_key(head: str) -> str:
    """A WebSocket's key is random; its length is not."""
    return re.sub(r"(Sec-WebSocket-Key: )[A-Za-z0-9+/]{22}==\r\n", r"\1KEY\r\n", head)


@pytest.mark.parametrize("after", [None, "abc-7"])
@pytest.mark.parametrize("transport", PLAIN_TRANSPORTS)
async def test_the_raw_client_sends_what_the_library_sends(transport: str, after: str | None) -> None:
    async with listening() as (host, heads):

        async def ask(receive: Callable[..., Any], *arguments: Any) -> None:
            told = receive(*arguments)
            asking = asyncio.create_task(anext(told))
            count = len(heads)
            await eventually(lambda: len(heads) > count)
            asking.cancel()
            await asyncio.wait([asking])
            await told.aclose()

        await ask(CLIENTS[transport].receive, f"http://{host}", after)
        await ask(raw.receive, transport, f"http://{host}", after)
        by_library, by_raw = map(without_key, heads)
        assert by_raw == by_library
        first = "?hold=0" if transport == "long_poll" else ""  # it asks for a cursor before it is held
        target = path(transport) + (f"?after={after}" if after else first)
        assert by_library == f"GET {target} HTTP/1.1\r\n{without_key(library(transport, host))}\r\n"


@pytest.mark.parametrize("via", SOCKET_IO_VIA)
async def test_the_raw_client_of_socket_io_sends_what_the_library_sends(via: str) -> None:
    for of_library in (True, False):
        witness = Witness()
        async with serving(observer=witness) as running:
            running.log.publish("there already")
            told = (
                socket_io.receive(running.url, "0", SOCKET_IO_VIA[via])
                if of_library
                else raw_socket_io(running.url, via)
            )
            async with contextlib.aclosing(told):  # type: ignore[type-var]
                await asyncio.wait_for(anext(told), LIMIT_S)
            host = running.host
        heads = [p.data.decode().split("\r\n\r\n") for p in witness.saw if p.data.startswith((b"GET ", b"POST "))]
        for head, *_ in heads:
            kind = "post" if head.startswith("POST") else "websocket" if "Upgrade: " in head else "get"
            lines = without_key(library(f"socket_io_{kind}", host).replace("%d", "N"))
            assert re.sub(r"(Content-Length: )\d+", r"\1N", without_key(head + "\r\n")).split("\r\n", 1)[1] == lines


def raw_socket_io(url: str, via: str) -> Any:
    return raw.receive("socket_io", url, "0", via=via)


async def test_the_browser_profile_is_what_chromium_sends(chromium_path: str, tmp_path: Path) -> None:
    version = await asyncio.to_thread(subprocess.check_output, [chromium_path, "--version"], stderr=subprocess.DEVNULL)
    if " 156." not in version.decode():
        pytest.skip("the profile is of another version of Chromium")
    async with listening() as (host, heads), chromium_at(chromium_path, tmp_path, host):
        await eventually(
            lambda: all(any(head.startswith(f"GET {path(t)} ") for head in heads) for t in PLAIN_TRANSPORTS)
        )
        asked = {head.split()[1]: without_key(head).replace("HeadlessChrome", "Chrome") for head in heads}
        for transport in PLAIN_TRANSPORTS:
            headers = without_key(browser(transport, host))
            assert asked[path(transport)] == f"GET {path(transport)} HTTP/1.1\r\n{headers}\r\n"
    async with listening(POLLING) as (host, heads), chromium_at(chromium_path, tmp_path, host):
        await eventually(lambda: sum(" /socket.io/ " in head for head in heads) == 3)
        for head in heads:
            line, rest = without_key(head).replace("HeadlessChrome", "Chrome").split("\r\n", 1)
            kind = "post" if line.startswith("POST") else "websocket" if "\r\nUpgrade: websocket" in rest else "get"
            if "/socket.io/" in line:
                assert rest == without_key(browser(f"socket_io_{kind}", host)).replace("%d", "2") + "\r\n"


@contextlib.asynccontextmanager
async def chromium_at(chromium_path: str, folder: Path, host: str) -> AsyncIterator[None]:
    """A browser that looks at the server's page."""
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", f"--user-data-dir={folder}")
    chromium = await asyncio.create_subprocess_exec(
        *(chromium_path, *options, f"http://{host}/"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        chromium.terminate()
        await asyncio.wait_for(chromium.wait(), LIMIT_S)
