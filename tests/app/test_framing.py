"""Frames and chunks, against the libraries that uvicorn writes them with."""

import h11
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from app.framing import chunk, text_frame

sizes = st.integers(1, 300) | st.sampled_from([125, 126, 127, 65_535, 65_536, 70_000])


@given(sizes)
def test_a_text_frame_is_one_of_the_websockets_library(size: int) -> None:
    text = b"a" * size
    assert text_frame(text) == Frame(Opcode.TEXT, text).serialize(mask=False)


@given(sizes)
def test_a_chunk_is_one_of_h11(size: int) -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server.next_event()
    server.send(h11.Response(status_code=200, headers=[]))
    assert chunk(b"a" * size) == server.send(h11.Data(data=b"a" * size))
