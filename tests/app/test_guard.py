"""Who is let in, over HTTP and WebSocket alike."""

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.guard import REMEMBERED, host_name
from tests.serving import EVERY_WS, Running, Wire, ask, serving


@pytest.mark.parametrize(
    ("host", "name"),
    [
        *(("localhost", "localhost"), ("localhost:8000", "localhost"), ("127.0.0.1:80", "127.0.0.1")),
        *(("[::1]", "[::1]"), ("[::1]:8000", "[::1]"), ("", ""), ("a:b", "a:b"), ("localhost:80:80", "localhost:80")),
    ],
)
def test_a_name_is_read_without_its_port(host: str, name: str) -> None:
    assert host_name(host) == name


OF_SESSIONS = ("/s/a/p/messages", "/s/a/p/websocket", "/s/a/p/nowhere", "/watch?session=a&page=p")


async def refusal(running: Running, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """The status and the reason for a request or a WebSocket that is not let in."""
    async with Wire.to(running.port) as wire:
        if path.endswith("/websocket") or path.startswith("/watch"):
            await wire.upgrade(path, headers)
        else:
            await wire.ask(path, headers, b'{"text": "hello"}', "POST")
        status, body = await wire.answer()
    return status, json.loads(body)["error"]


@pytest.mark.anyio
@pytest.mark.parametrize("ws", EVERY_WS)
@pytest.mark.parametrize("path", ["/messages", "/websocket", "/nowhere", *OF_SESSIONS])
async def test_foreign_hosts_and_foreign_pages_are_refused(path: str, ws: Any) -> None:
    async with serving(ws=ws) as running:
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost:80@evil.example", ""):
            status, error = await refusal(running, path, {"Host": host})
            assert status == 400
            assert error.endswith(f"called {host!r}, but 127.0.0.1, [::1], localhost; see --allow-host")
        own = {"Host": running.host}
        for origin in ("http://evil.example", "null", f"http://evil.example/{running.host}", "http://127.0.0.1:1"):
            status, error = await refusal(running, path, {**own, "Origin": origin})
            assert status == 403
            assert error == f"pages of {origin!r} may not use this server, only its own"
        for site in ("cross-site", "same-site"):
            status, error = await refusal(running, path, {**own, "Sec-Fetch-Site": site, "Sec-Fetch-Dest": "image"})
            assert (status, error) == (403, "pages of other sites may not use this server, only link to it")
        assert running.log.newest.seq == 0
        assert not running.sessions._sessions  # nor is a session made for them


@pytest.mark.anyio
async def test_what_was_let_in_before_lets_nothing_else_in() -> None:
    async with serving() as running:
        for _ in range(2):
            assert (await ask(running.port, "/nowhere", {"Host": running.host}))[0] == 404
            for more in (b"Host: evil.example\r\n", b"Host: %b\r\n" % running.host.encode()):
                for lines in (more + b"Host: %b\r\n" % running.host.encode(), b"Host: 127.0.0.1\r\n" + more):
                    async with Wire.to(running.port) as wire:
                        await wire.send(b"GET /nowhere HTTP/1.1\r\n" + lines + b"\r\n")
                        assert json.loads((await wire.answer())[1])["error"] == "send exactly one Host header"
            evil = {"Host": running.host, "Origin": "http://evil.example"}
            assert (await ask(running.port, "/nowhere", evil))[0] == 403
            async with Wire.to(running.port) as wire:  # the first one counts
                origins = b"Origin: http://evil.example\r\nOrigin: http://%b\r\n" % running.host.encode()
                await wire.send(b"GET /nowhere HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (running.host.encode(), origins))
                assert (await wire.answer())[0] == 403


@pytest.mark.anyio
async def test_what_the_guard_remembers_is_bounded() -> None:
    async with serving() as running:
        for number in range(REMEMBERED + 5):
            assert (await ask(running.port, "/nowhere", {"Host": f"127.0.0.1:{number}"}))[0] == 404


@pytest.mark.anyio
async def test_its_own_pages_and_names_are_let_in() -> None:
    async with serving(names=("Lecture.example", "localhost")) as running:
        for host in ("lecture.example", "LECTURE.example:8000", "localhost:80"):
            for headers in ({}, {"Origin": f"http://{host}"}, {"Origin": f"https://{host}"}):
                status, _ = await ask(running.port, "/short-poll", {"Host": host, **headers})
                assert status == 200
        for site, destination in (("same-origin", "empty"), ("none", "document"), ("cross-site", "document")):
            fetched = {"Host": "localhost", "Sec-Fetch-Site": site, "Sec-Fetch-Dest": destination}
            assert (await ask(running.port, "/short-poll", fetched))[0] == 200
        origin = f"http://localhost:{running.port}"
        async with connect(f"ws://localhost:{running.port}/websocket", origin=origin) as socket:  # type: ignore[arg-type]
            assert "cursor" in json.loads(await socket.recv())
        with pytest.raises(InvalidStatus, match="HTTP 400"):
            await connect(f"ws://other.example:{running.port}/websocket", host="127.0.0.1")


@pytest.mark.anyio
async def test_an_ip_address_is_let_in_as_it_cannot_be_rebound() -> None:
    async with serving(names=("lecture.example",)) as running:
        for host in ("192.0.2.7", "192.0.2.7:8000", "[2001:db8::7]", "[::1]:8000", "127.0.0.1"):
            assert (await ask(running.port, "/short-poll", {"Host": host}))[0] == 200
        for host in ("192.0.2.7.evil.example", "2001:db8::7", "[192.0.2.7]", "192.0.2", "[evil.example]", "[::1"):
            assert (await ask(running.port, "/short-poll", {"Host": host}))[0] == 400
        evil = {"Host": "192.0.2.7", "Origin": "http://192.0.2.8"}
        assert (await ask(running.port, "/short-poll", evil))[0] == 403
