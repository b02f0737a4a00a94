"""Which requests may take the shortcut: those that differ from one that was let in by nothing but path and query."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shortcut import HEAD_MAX_BYTES, REMEMBERED, Shortcut

HEADERS = [(b"host", b"127.0.0.1:8000"), (b"accept", b"*/*"), (b"connection", b"keep-alive")]
HEAD = b"Host: 127.0.0.1:8000\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"


class Nobody:
    def respond(self, tap: Any, query: bytes) -> bool:
        raise NotImplementedError


@pytest.fixture
def shortcut() -> Shortcut:
    made = Shortcut()
    made.learn(b"/short-poll", HEADERS, Nobody())
    return made


@pytest.mark.parametrize("query", [b"", b"after=0", b"after=7f3a90c2-4&hold=2.5", b"afer=", b"&&"])
def test_what_was_let_in_once_is_found_with_its_query(shortcut: Shortcut, query: bytes) -> None:
    for head in (HEAD, HEAD.lower(), HEAD.replace(b": ", b":\t ")):
        for _ in range(2):
            found = shortcut.find(b"GET /short-poll" + (b"?" + query if query else b"") + b" HTTP/1.1\r\n" + head)
            assert found and found[1] == query


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /short-poll HTTP/1.1\r\n\r\n",
        b"GET /short-poll HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /long-poll HTTP/1.1\r\n" + HEAD,
        b"GET /short-poll/ HTTP/1.1\r\n" + HEAD,
        b"GET /short%2dpoll HTTP/1.1\r\n" + HEAD,
        b"GET /short-poll?after=%30 HTTP/1.1\r\n" + HEAD,
        b"GET /short-poll?a=b#c HTTP/1.1\r\n" + HEAD,
        b"GET http://127.0.0.1:8000/short-poll HTTP/1.1\r\n" + HEAD,
        b"GET  /short-poll HTTP/1.1\r\n" + HEAD,
        b"get /short-poll HTTP/1.1\r\n" + HEAD,
        b"HEAD /short-poll HTTP/1.1\r\n" + HEAD,
        b"POST /short-poll HTTP/1.1\r\n" + HEAD,
        b"GET /short-poll HTTP/1.0\r\n" + HEAD,
        b"GET /short-poll HTTP/1.1\n" + HEAD,
        b"\r\nGET /short-poll HTTP/1.1\r\n" + HEAD,
        b"GET /short-poll HTTP/1.1\r\n" + HEAD + b"GET /short-poll HTTP/1.1\r\n" + HEAD,
        b"GET /short-poll HTTP/1.1\r\n" + HEAD[:-2] + b"Origin: http://evil.example\r\n\r\n",
        b"GET /short-poll HTTP/1.1\r\n" + HEAD[:-2] + b" folded\r\n\r\n",
        b"GET /short-poll HTTP/1.1\r\n" + HEAD[:-2] + b"Host: 127.0.0.1:8000\r\n\r\n",
        b"GET /short-poll HTTP/1.1\r\n" + HEAD.replace(b"Accept: */*\r\n", b""),
        b"GET /short-poll HTTP/1.1\r\n" + HEAD.replace(b"keep-alive", b"close"),
        b"GET /short-poll HTTP/1.1\r\n" + HEAD.replace(b"Host:", b"Host :"),
        b"GET /short-poll HTTP/1.1\r\n" + HEAD.replace(b"\r\n", b"\n"),
    ],
)
def test_everything_else_takes_the_long_way(shortcut: Shortcut, request_bytes: bytes) -> None:
    assert shortcut.find(request_bytes) is None


@given(st.integers(0, len(HEAD) - 1), st.binary(max_size=3))
def test_headers_that_differ_anywhere_are_others(place: int, instead: bytes) -> None:
    shortcut = Shortcut()
    shortcut.learn(b"/short-poll", HEADERS, Nobody())
    head = HEAD[:place] + instead + HEAD[place + 1 :]
    lines = [line.partition(b":") for line in head.removesuffix(b"\r\n\r\n").split(b"\r\n")]
    same = [(name.lower(), value.strip(b" \t")) for name, _, value in lines] == HEADERS
    assert bool(shortcut.find(b"GET /short-poll HTTP/1.1\r\n" + head)) == same


@pytest.mark.parametrize(
    "header",
    [
        (b"connection", b"close"),
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"expect", b"100-continue"),
        (b"content-length", b"0"),
        (b"transfer-encoding", b"chunked"),
    ],
)
def test_a_request_for_more_than_a_response_teaches_nothing(header: tuple[bytes, bytes]) -> None:
    shortcut = Shortcut()
    shortcut.learn(b"/short-poll", [HEADERS[0], header], Nobody())
    head = b"Host: 127.0.0.1:8000\r\n%b: %b\r\n\r\n" % header
    assert shortcut.find(b"GET /short-poll HTTP/1.1\r\n" + head) is None


def test_what_is_remembered_is_bounded() -> None:
    shortcut = Shortcut()
    shortcut.learn(b"/short-poll", [*HEADERS, (b"cookie", b"c" * HEAD_MAX_BYTES)], Nobody())
    shortcut.learn(b"/s/session/page/short-poll", HEADERS, Nobody())
    assert not shortcut._let_in
    for number in range(3 * REMEMBERED):
        shortcut.learn(b"/short-poll", [(b"host", b"127.0.0.1:%d" % number)], Nobody())
        assert shortcut.find(b"GET /short-poll HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % number)
    assert max(len(shortcut._let_in), len(shortcut._heads)) <= REMEMBERED
