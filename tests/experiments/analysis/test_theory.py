"""The formulas, against a simulation of the very cycle that they describe and against the bytes of a real server."""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.analysis.theory import (
    Polling,
    Push,
    crossover_hz,
    socket_io_bytes,
    sse_event_bytes,
    websocket_frame_bytes,
)
from tests.serving import Wire, serving

DOWN_S = 0.025
SETTINGS = {
    "short, rare": Polling(0.2, gap_s=1.0, hold_s=0.0, down_s=DOWN_S),
    "short": Polling(5.0, gap_s=1.0, hold_s=0.0, down_s=DOWN_S),
    "short, fast": Polling(5.0, gap_s=0.25, hold_s=0.0, down_s=DOWN_S),
    "short, often": Polling(100.0, gap_s=1.05, hold_s=0.0, down_s=0.0),
    "long, rare": Polling(0.1, gap_s=0.05, hold_s=25.0, down_s=DOWN_S),
    "long": Polling(1.0, gap_s=0.05, hold_s=25.0, down_s=DOWN_S),
    "long, often": Polling(20.0, gap_s=0.052, hold_s=25.0, down_s=DOWN_S),
    "long, more often": Polling(100.0, gap_s=0.052, hold_s=25.0, down_s=0.0),
    "mixed": Polling(1.0, gap_s=0.5, hold_s=0.5, down_s=DOWN_S),
    "mixed, mostly held": Polling(0.5, gap_s=0.6, hold_s=3.0, down_s=0.0),
    "mixed, mostly not": Polling(10.0, gap_s=0.1, hold_s=0.05, down_s=DOWN_S),
}
every_setting = pytest.mark.parametrize("name", SETTINGS)


@dataclass
class Heard:
    """What came of many cycles with heartbeats."""

    delay_s: float
    requests_hz: float
    empty_share: float


@cache
def simulate_heartbeats(model: Polling) -> Heard:
    """As below, with a heartbeat that comes so often, ends a hold like a message, and is acknowledged by a request."""
    rng = np.random.default_rng(2016)
    arrivals = np.cumsum(rng.exponential(1 / model.rate_hz, 100_000)).tolist()
    asked_s, beat_s, length_s = 0.0, 1 / model.heartbeat_hz, arrivals[-1]
    delays_s, requests, empty, received = 0.0, 0, 0, 0
    while received < len(arrivals):
        response_s = max(asked_s, min(arrivals[received], beat_s))
        requests, before = requests + 1, received
        while received < len(arrivals) and arrivals[received] <= response_s:
            delays_s += response_s - arrivals[received] + model.down_s
            received += 1
        empty += received == before
        if beat_s <= response_s:  # the next one comes that long after the response to this one
            requests, empty, beat_s = requests + 1, empty + 1, response_s + 1 / model.heartbeat_hz
        asked_s = response_s + model.gap_s
    return Heard(delays_s / received, requests / length_s, empty / requests)


@pytest.mark.parametrize("rate_hz", [0.1, 1.0, 20.0])
def test_heartbeats_are_messages_to_the_questions(rate_hz: float) -> None:
    model = Polling(rate_hz, gap_s=0.051, hold_s=math.inf, down_s=DOWN_S, heartbeat_hz=1 / 25)
    heard = simulate_heartbeats(model)
    assert model.mean_delay_s == pytest.approx(heard.delay_s, rel=0.01)
    assert model.requests_hz == pytest.approx(heard.requests_hz, rel=0.02)
    assert model.empty_share == pytest.approx(heard.empty_share, rel=0.05, abs=0.002)
    assert model.bytes_per_message(180, 350) == pytest.approx(180 + 350 * heard.requests_hz / rate_hz, rel=0.02)


def test_in_silence_there_are_heartbeats_and_their_echoes() -> None:
    model = Polling(0.0, gap_s=0.05, hold_s=math.inf, down_s=DOWN_S, heartbeat_hz=1 / 25)
    assert model.requests_hz == pytest.approx(2 / 25, rel=0.01)
    assert model.empty_share == pytest.approx(1, rel=0.01)


@dataclass
class Simulated:
    """What was seen in many cycles."""

    delays_s: NDArray[np.float64]
    waited: NDArray[np.bool_]
    responses: int
    empty: int
    length_s: float


@cache
def simulate(model: Polling) -> Simulated:
    """One reader polls, gets a response, and polls again when the gap is over, until it has 200,000 messages."""
    rng = np.random.default_rng(2016)
    arrivals = np.cumsum(rng.exponential(1 / model.rate_hz, 200_000)).tolist()
    responded_s = np.zeros(len(arrivals))
    waited = np.zeros(len(arrivals), dtype=bool)
    responses = empty = received = 0
    asked_s, response_s = model.gap_s, 0.0
    while received < len(arrivals):
        there = arrivals[received] <= asked_s
        response_s = asked_s if there else min(arrivals[received], asked_s + model.hold_s)
        before = received
        while received < len(arrivals) and arrivals[received] <= response_s:
            responded_s[received], waited[received] = response_s, there
            received += 1
        responses += 1
        empty += received == before
        asked_s = response_s + model.gap_s
    return Simulated(responded_s + model.down_s - arrivals, waited, responses, empty, response_s)


@every_setting
def test_messages_per_response_and_requests_per_second(name: str) -> None:
    model, seen = SETTINGS[name], simulate(SETTINGS[name])
    assert model.rate_hz / model.responses_hz == pytest.approx(len(seen.delays_s) / seen.responses, rel=0.01)
    assert model.requests_hz == pytest.approx(seen.responses / seen.length_s, rel=0.01)


@every_setting
def test_the_share_of_empty_responses_and_of_messages_that_wait(name: str) -> None:
    model, seen = SETTINGS[name], simulate(SETTINGS[name])
    assert model.empty_share == pytest.approx(seen.empty / seen.responses, rel=0.01, abs=0.001)
    assert model.waiting_share == pytest.approx(seen.waited.mean(), rel=0.01, abs=0.001)


@every_setting
def test_the_mean_delay(name: str) -> None:
    model, seen = SETTINGS[name], simulate(SETTINGS[name])
    assert model.mean_delay_s == pytest.approx(seen.delays_s.mean(), rel=0.01)
    assert seen.delays_s.max() <= model.down_s + model.gap_s


@every_setting
def test_the_distribution_of_delays(name: str) -> None:
    model, seen = SETTINGS[name], simulate(SETTINGS[name])
    for delay_s in (0.0, DOWN_S / 2, *(model.down_s + model.gap_s * part for part in (0, 0.01, 0.3, 0.5, 0.99, 1, 2))):
        # What did not wait has taken d exactly, but for rounding.
        within = (seen.delays_s <= delay_s + 1e-9).mean()
        assert model.share_within(delay_s) == pytest.approx(within, abs=0.01), delay_s


@every_setting
def test_bytes_per_message(name: str) -> None:
    model, seen = SETTINGS[name], simulate(SETTINGS[name])
    count, payload, cycle = len(seen.delays_s), 180, 420
    moved = count * payload + seen.responses * cycle
    assert model.bytes_per_message(payload, cycle) == pytest.approx(moved / count, rel=0.01)


@pytest.mark.parametrize("rate_hz", [0.01, 1.0, 300.0])
@pytest.mark.parametrize("gap_s", [0.001, 1.0, 30.0])
def test_short_polling_is_the_limit_without_a_hold(rate_hz: float, gap_s: float) -> None:
    short = Polling(rate_hz, gap_s, 0.0, DOWN_S)
    assert rate_hz / short.responses_hz == pytest.approx(rate_hz * gap_s, rel=1e-12)
    assert short.requests_hz == pytest.approx(1 / gap_s, rel=1e-12)
    assert short.waiting_share == pytest.approx(1, rel=1e-12)
    assert short.mean_delay_s == pytest.approx(DOWN_S + gap_s / 2, rel=1e-12)


@pytest.mark.parametrize("rate_hz", [0.01, 1.0, 300.0])
def test_an_endless_hold_without_a_gap_is_the_limit_of_pushing(rate_hz: float) -> None:
    long = Polling(rate_hz, 1e-12, 1e9, DOWN_S)
    assert long.rate_hz / long.responses_hz == pytest.approx(1)
    assert long.mean_delay_s == pytest.approx(Push(DOWN_S).mean_delay_s)
    assert long.empty_share == 0
    assert [long.share_within(s) for s in (0.024, 0.026)] == [Push(DOWN_S).share_within(s) for s in (0.024, 0.026)]


def test_silence_is_the_limit_of_ever_rarer_messages() -> None:
    silent = Polling(0.0, gap_s=1.05, hold_s=25.0, down_s=DOWN_S)
    rare = replace(silent, rate_hz=1e-9)
    assert silent.requests_hz == 1 / 26.05 == pytest.approx(rare.requests_hz)
    assert silent.empty_share == 1 == pytest.approx(rare.empty_share)


def test_what_is_pushed_takes_the_way_down() -> None:
    assert Push(DOWN_S).mean_delay_s == DOWN_S
    assert [Push(DOWN_S).share_within(s) for s in (0.0, 0.0249, DOWN_S, 1.0)] == [0, 0, 1, 1]


def test_at_the_crossover_polling_moves_as_many_bytes_as_pushing() -> None:
    payload, cycle, framing, gap_s = 180.0, 420.0, 60.0, 1.05
    at_hz = crossover_hz(cycle, framing, gap_s)
    pushed = payload + framing

    def polled(rate_hz: float) -> float:
        return Polling(rate_hz, gap_s, 0.0, DOWN_S).bytes_per_message(payload, cycle)

    comma = 1
    assert polled(at_hz) + comma == pytest.approx(pushed, rel=1e-12)
    assert polled(at_hz / 1.01) + comma > pushed > polled(at_hz * 1.01) + comma


def lengths(*boundaries: int) -> list[int]:
    """Text lengths whose messages lie well around `boundaries`, each by a step of one character."""
    overhead = 70  # about what a message has around its text
    return [length for at in boundaries for length in range(at - overhead - 24, at - overhead + 24)]


def text_of(length: int) -> str:
    """A text that is written with `length` bytes; long ones with characters that JSON writes with six."""
    return "\x00" * (length // 6) + "a" * (length % 6) if length > 16_000 else "a" * length


@pytest.mark.anyio
async def test_the_server_frames_a_websocket_message_with_that_many_bytes() -> None:
    sizes = set()
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.upgrade()
        await wire.until(b"}")
        for length in lengths(126, 65_536):
            payload = running.log.publish(text_of(length)).json.encode()
            sizes.add(len(payload))
            received = await wire.exactly(websocket_frame_bytes(len(payload)) + len(payload))
            assert received.endswith(payload)
    for at in (126, 65_536):
        assert any(size < at for size in sizes) and any(at <= size < at + 64 for size in sizes)
    assert [websocket_frame_bytes(size) for size in (0, 125, 126, 65_535, 65_536)] == [2, 2, 4, 4, 10]


@pytest.mark.anyio
async def test_the_server_puts_that_many_bytes_around_a_message_of_socket_io() -> None:
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.upgrade("/socket.io/?EIO=4&transport=websocket")
        await wire.until(b"}")
        connect = b'40{"after":null}'
        await wire.send(bytes([0x81, 0x80 | len(connect), 0, 0, 0, 0]) + connect)
        await wire.until(b'["cursor",')
        await wire.until(b"}]")
        for length in lengths(126 - len('42["message",]'), 65_536):
            payload = running.log.publish(text_of(length)).json.encode()
            received = await wire.exactly(socket_io_bytes(len(payload)) + len(payload))
            assert received.endswith(payload + b"]")


@pytest.mark.anyio
async def test_the_server_frames_a_server_sent_message_with_that_many_bytes() -> None:
    digits = set()
    async with serving() as running, Wire.to(running.port) as wire:
        await wire.ask("/sse")
        await wire.until(b"\n\n\r\n")
        for length in lengths(256, 4_096, 65_536):
            message = running.log.publish(text_of(length))
            payload = message.json.encode()
            received = await wire.exactly(sse_event_bytes(len(payload), len(str(message.cursor))) + len(payload))
            assert received.endswith(payload + b"\n\n\r\n")
            digits.add(received.index(b"\r\n"))
    assert digits == {2, 3, 4, 5}


def test_a_hold_that_never_ends_has_no_numerical_trouble() -> None:
    endless = Polling(1.0, 0.05, math.inf, DOWN_S)
    assert endless.rate_hz / endless.responses_hz == pytest.approx(0.05 + math.exp(-0.05))
    assert endless.empty_share == 0
