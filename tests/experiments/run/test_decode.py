"""What a crowd's readers make of the bytes that they are sent: the server's own, cut anywhere."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from app.log import MessageLog
from clients.raw.frames import PING, PONG, TEXT, masked
from experiments.run.decode import DECODERS, Decoded, Refused, connect_packet, head
from tests.serving import TRANSPORTS, Wire, eventually, serving

pytestmark = pytest.mark.anyio


def decoded(transport: str, data: bytes, cuts: list[int]) -> tuple[list[int], list[int], str, int]:
    """Messages, missed notices, the last cursor and the number of responses, of data that comes in pieces."""
    messages, missed, cursor, responses, unread = [], [], "", 0, b""
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        unread += data[begin:end]
        found = DECODERS[transport](unread)
        unread = unread[found.used :]
        messages += found.messages
        missed += found.missed
        cursor = found.cursor or cursor
        responses += found.responses
    assert not unread
    return messages, missed, cursor, responses


async def sent(transport: str, after: str) -> tuple[bytes, MessageLog]:
    """What the server sends a reader of three messages, without the head of an upgrade or a stream."""
    log = MessageLog()
    for number in range(3):
        log.publish(f"number {number}, " + 200 * "é")  # longer than a short frame, and than it has characters
    async with serving(log) as running, Wire.to(running.port) as wire:
        if transport == "socket_io":
            await wire.upgrade("/socket.io/?EIO=4&transport=websocket")
            await wire.until(b"\r\n\r\n")
            await wire.send(masked(TEXT, connect_packet(after)))
        else:
            await wire.read(transport, after)
        if transport in ("short_poll", "long_poll"):
            await wire.answer()
            begin = 0
        else:
            if transport != "socket_io":
                await wire.until(b"\r\n\r\n")
            begin = len(wire.received)
            while b"number 2" not in wire.received:
                await wire.some()
            log.publish("number 3")
            await eventually(lambda: log.newest.seq == 4)
            while b"number 3" not in wire.received or (transport == "sse" and wire.received[-4:] != b"\n\n\r\n"):
                await wire.some()
        return bytes(wire.received[begin:]), log


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_message_is_found_however_the_bytes_are_cut(transport: str) -> None:
    data, log = await sent(transport, "0")
    polls = transport in ("short_poll", "long_poll")
    expected: Any = ([1, 2, 3] if polls else [1, 2, 3, 4], [], str(log.newest), int(polls))
    for cut in range(len(data) + 1):
        assert decoded(transport, data, [cut]) == expected
    for seed in range(20):
        rng = random.Random(seed)
        assert decoded(transport, data, sorted(rng.choices(range(len(data)), k=40))) == expected
    assert decoded(transport, data, [*range(len(data))]) == expected


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_reader_that_has_missed_something_is_heard(transport: str) -> None:
    data, log = await sent(transport, "0thers-7")
    messages, missed, cursor, _ = decoded(transport, data, [])
    assert missed == [0]
    assert messages == [*range(1, log.newest.seq + 1)]
    assert cursor == str(log.newest)


def frame(opcode: int, payload: bytes) -> bytes:
    return bytes([0x80 | opcode, len(payload)]) + payload


@pytest.mark.parametrize("transport", ["websocket", "socket_io"])
def test_heartbeats_are_answered(transport: str) -> None:
    assert DECODERS[transport](frame(PING, b"abc")).replies == [(PONG, b"abc")]
    found: Decoded = DECODERS["socket_io"](frame(TEXT, b"2"))
    assert (found.replies, found.messages, found.cursor) == ([(TEXT, b"3")], [], "")


def test_it_is_noticed_when_it_is_the_readers_turn_to_connect() -> None:
    assert DECODERS["socket_io"](frame(TEXT, b'0{"sid":"x"}')).connects


REFUSED: dict[str, tuple[Callable[[bytes], Any], bytes, type[Exception]]] = {
    "a stream": (head, b"HTTP/1.1 400 Bad Request\r\n\r\n", Refused),
    "a poll": (DECODERS["long_poll"], b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", Refused),
    "a WebSocket": (DECODERS["websocket"], frame(8, b"\x03\xf0go away"), Refused),
    "a session": (DECODERS["socket_io"], frame(TEXT, b'44{"message":"go away"}'), ValueError),
    "the end of a stream": (DECODERS["sse"], b"0\r\n\r\n", ConnectionError),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_or_ended_is_no_message(case: str) -> None:
    decode, data, problem = REFUSED[case]
    with pytest.raises(problem):
        decode(data)


def test_a_head_is_whole_or_not_there() -> None:
    whole = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"
    assert [head(whole[:size]) for size in range(len(whole))] == [0] * len(whole)
    assert head(whole + b"more") == len(whole)
