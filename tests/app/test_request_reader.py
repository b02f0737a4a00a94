"""Requests, found in what a client sends however it is cut into pieces."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.request_reader import RequestReader, whole_request

REQUESTS = [
    (b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n", "/sse"),
    (b"\r\n\r\nGET /short-poll?after=0-1?/x HTTP/1.1\r\nHost: a\r\nX: content-length: 5\r\n\r\n", "/short-poll"),
    (b"POST /s/a/p/x HTTP/1.1\r\ncontent-LENGTH:  28 \r\n\r\nGET /chat/x HTTP/1.1\r\n\r\n....", "/s/a/p/x"),
    (b"POST /messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "/messages"),
    (b"GET http://a.example:80/%73/a/p/sse HTTP/1.0\r\n\r\n", "/s/a/p/sse"),
    (b"GET /s/\xe9 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "/s/\xe9"),
]


@given(
    requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=60),
)
@example(requests=[REQUESTS[1]], cuts=[4])  # the line ends in front of it, which look like the end of a head
@example(requests=[(b"\r\nGET /sse HTTP/1.1\r\n\r\n", "/sse")], cuts=[60])
def test_every_request_is_found_once_wherever_it_is_cut(requests: list[tuple[bytes, str]], cuts: list[int]) -> None:
    """A body in chunks is the one thing whose end is only found at the end of a piece."""
    reader, found = RequestReader(), list[str]()
    for request, path in requests:
        rest, sizes = request, iter(cuts)
        while rest:
            size = next(sizes, len(rest))
            found += reader.receive(rest[:size])
            rest = rest[size:]
            assert reader.complete == (not rest)
        assert reader.complete
        assert found[-1] == path
    assert found == [path for _, path in requests]


@pytest.mark.parametrize(
    ("piece", "path"),
    [
        (b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n", "/sse"),
        (b"GET /sse HTTP/1.1\r\nHost: a\r\n", None),
        (b"GET /sse HTTP/1.1\r\n\r\nGET /sse HTTP/1.1\r\n\r\n", None),
        (b"GET /sse HTTP/1.1\n\nGET /sse HTTP/1.1\r\n\r\n", None),  # two, for some
        (b"GET /sse HTTP/1.1\r\nContent-Length: 0\r\n\r\n", None),
    ],
)
def test_a_piece_that_is_one_whole_request_is_known(piece: bytes, path: str | None) -> None:
    assert whole_request(piece) == path


def test_requests_that_come_in_one_piece_are_all_found() -> None:
    pipelined = [one for one in REQUESTS if b"chunked" not in one[0]]
    reader = RequestReader()
    assert reader.receive(b"".join(data for data, _ in pipelined)) == [path for _, path in pipelined]
    assert reader.complete


@pytest.mark.parametrize(
    "nonsense",
    [b"\r\n", b"hello\r\n\r\n", b"GET /x HTTP/2.0\r\n\r\n", b"get /x HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00" * 50],
)
def test_what_is_no_request_has_no_path(nonsense: bytes) -> None:
    assert RequestReader().receive(nonsense) == []


def test_a_length_that_is_no_number_is_left_to_the_http_implementation() -> None:
    reader = RequestReader()
    for length in (b"-1", b"abc", b"9" * 30, b""):
        assert reader.receive(b"POST /x HTTP/1.1\r\nContent-Length: " + length + b"\r\n\r\n") == ["/x"]
        assert reader.complete
