import asyncio
import itertools
import random

import pytest

from clients.backoff import FIRST_S, MOST_S, Backoff
from tests.clock import run_jumping

LIMITS_S = [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


async def waits(backoff: Backoff, count: int) -> list[float]:
    clock = asyncio.get_running_loop().time
    times = [clock()]
    for _ in range(count):
        await backoff.wait()
        times.append(clock())
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_waits_are_random_under_a_limit_that_doubles_with_every_failure() -> None:
    async def scenario() -> None:
        random.seed(7)
        rows = [await waits(Backoff(), len(LIMITS_S)) for _ in range(300)]
        for limit_s, waited in zip(LIMITS_S, zip(*rows, strict=True), strict=True):
            assert 0 <= min(waited) < 0.05 * limit_s
            assert 0.95 * limit_s < max(waited) <= limit_s + 1e-9
            assert sum(waited) / len(waited) == pytest.approx(limit_s / 2, rel=0.1)

    assert LIMITS_S[0] == FIRST_S and LIMITS_S[-1] == MOST_S
    run_jumping(scenario())


def test_it_still_waits_after_very_many_failures() -> None:
    assert max(run_jumping(waits(Backoff(), 3_000))) <= MOST_S


def test_success_makes_it_quick_again() -> None:
    async def scenario() -> None:
        backoff = Backoff()
        for _ in range(100):
            await waits(backoff, 6)
            backoff.reset()
            assert (await waits(backoff, 1))[0] <= FIRST_S + 1e-9
            backoff.reset()

    run_jumping(scenario())
