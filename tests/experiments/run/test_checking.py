"""Readers that check: whatever is wrong with the order of messages is noticed, for every reader."""

import asyncio
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.message import Cursor, Message
from app.record import Sample as RecorderSample
from experiments.design import Condition
from experiments.run.checking import PROCESS_MOST, Arrived, Crowd, Order, Place, processes
from experiments.run.sample import Sample
from tests.serving import TRANSPORTS, eventually, plain_server, serving

pytestmark = pytest.mark.anyio


@given(st.lists(st.integers(1, 12), max_size=30))
def test_what_is_missing_repeated_and_out_of_order_adds_up(numbers: list[int]) -> None:
    order = Order(0)
    for number in numbers:
        order.take(number)
    first_times = list(dict.fromkeys(numbers))
    assert order.missing(12) == 12 - len(first_times)
    assert order.repeated == len(numbers) - len(first_times)
    late = [number for place, number in enumerate(first_times) if any(n > number for n in first_times[:place])]
    assert order.reordered == len(late)


def a_crowd(url: str, transport: str, heard: list[Any], share: float = 1.0, **fields: Any) -> Crowd:
    condition = Condition(
        transport,
        via="websocket" if transport == "socket_io" else "",
        client="raw",
        measures="broadcasts",
        pause_s=0.05 if transport == "short_poll" else 0.0,
        **fields,
    )
    return Crowd(condition, Place(url, 0, 1, Sample(share, 3)), random.Random(1), heard.append)


PROVOKED = {
    "in order": ([1, 2, 3, 4], (0, 0, 0)),
    "one missing": ([1, 2, 4], (1, 0, 0)),
    "the last missing": ([1, 2, 3], (1, 0, 0)),
    "one twice": ([1, 2, 2, 3, 4], (0, 1, 0)),
    "two swapped": ([1, 3, 2, 4], (0, 0, 1)),
    "all at once": ([4, 4, 2, 1], (1, 1, 2)),
}


@pytest.mark.parametrize("together", [True, False], ids=["in one write", "one by one"])
@pytest.mark.parametrize("case", PROVOKED)
async def test_a_server_that_gets_it_wrong_is_caught(case: str, together: bool) -> None:
    """Of two readers, both: the counts are sums."""
    numbers, expected = PROVOKED[case]
    told = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
        writer.write(head + frame(json.dumps({"cursor": "abc-0"}).encode()))
        await told.wait()
        messages = [frame(Message(Cursor("abc", number), "hello", 1.0).json.encode()) for number in numbers]
        for piece in [b"".join(messages)] if together else messages:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    heard: list[Any] = []
    async with plain_server(talk) as host:
        crowd = a_crowd(f"http://{host}", "websocket", heard)
        await crowd.grow(2, "abc-0")
        told.set()
        await eventually(lambda: crowd.messages == 2 * len(numbers))
        checked = await crowd.end(4)
        for reader in crowd.readers.values():
            reader.transport.abort()
    assert (checked.missing, checked.repeated, checked.reordered) == tuple(2 * count for count in expected)
    assert (checked.readers, checked.missed, checked.lost) == (2, 0, 0)
    assert [seq for number, seq, _ in checked.rows if number == 1] == numbers
    everybody = {one.number for one in heard if isinstance(one, Arrived)}
    assert everybody == set(numbers)


def frame(payload: bytes) -> bytes:
    return bytes([0x81, len(payload)]) + payload


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_reader_has_every_message_once_in_order(transport: str) -> None:
    heard: list[Any] = []
    async with serving() as running:
        first = running.log.publish("first")
        crowd = a_crowd(running.url, transport, heard, share=0.5)
        await crowd.grow(6, str(first.cursor))
        for number in range(2):
            running.log.publish(f"number {number}")
        await eventually(lambda: crowd.messages == 12)
        await crowd.grow(8, str(running.log.newest))
        for number in range(3):
            running.log.publish(f"later {number}")
        await eventually(lambda: crowd.messages == 12 + 24)
        checked = await crowd.end(running.log.newest.seq)
        counted = {c.client_port: c.bytes_down for c in running.link.connections.values()}
        assert checked.received == counted
        for reader in crowd.readers.values():
            reader.transport.abort()
        await eventually(lambda: not running.link.connections)
    assert (checked.missing, checked.repeated, checked.reordered, checked.lost, checked.missed) == (0, 0, 0, 0, 0)
    assert {seq: len(times) for seq, times in checked.arrivals.items()} == {2: 6, 3: 6, 4: 8, 5: 8, 6: 8}
    assert [one.number for one in heard] == [2, 3, 4, 5, 6]
    assert checked.ports.keys() == {reader.number for reader in crowd.readers.values() if reader.port in Sample(0.5, 3)}
    assert {(number, seq) for number, seq, _ in checked.rows} == {
        (number, seq) for number in checked.ports for seq in range(2 if number < 6 else 4, 7)
    }
    if transport in ("short_poll", "long_poll"):
        assert crowd.responses >= 8


async def test_a_reader_that_is_cut_off_is_lost_and_what_it_has_missed_is_missing() -> None:
    async with serving() as running:
        first = running.log.publish("first")
        crowd = a_crowd(running.url, "sse", [])
        await crowd.grow(3, str(first.cursor))
        next(iter(running.link.connections.values())).cut()
        await eventually(lambda: crowd.checked.lost == 1)
        running.log.publish("second")
        await eventually(lambda: crowd.messages == 2)
        checked = await crowd.end(2)
        for reader in crowd.readers.values():
            reader.transport.abort()
    assert (checked.missing, checked.lost) == (1, 1)


async def test_a_reader_that_is_refused_says_why() -> None:
    async with serving() as running:
        crowd = a_crowd(running.url, "websocket", [], upgrades="pass")
        running.link.upgrades = "refuse"
        with pytest.raises(ExceptionGroup) as problem:
            await crowd.grow(2, "abc-0")
    assert "400" in str(problem.value.exceptions[0])


def test_the_recorder_and_the_readers_choose_the_same_sample() -> None:
    for share, seed in ((0.0, 1), (0.025, 2**47 + 1), (1 / 3, 7), (1.0, 7)):
        sample = Sample(share, seed)
        recorders = RecorderSample.parse(str(sample))
        assert [port in sample for port in range(30_000, 32_000)] == [
            port in recorders for port in range(30_000, 32_000)
        ]


def test_readers_are_in_as_many_processes_as_there_are_cores_for() -> None:
    assert [processes(readers, 2) for readers in (1, 2_000, 10_000)] == [1, 1, 1]
    assert [processes(readers, 8) for readers in (1, PROCESS_MOST, PROCESS_MOST + 1, 100_000)] == [1, 1, 2, 7]
    assert processes(1, 1) == 1
