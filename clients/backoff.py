"""How long to wait before reconnecting: longer after every failure, and never all at once.

A server that restarts loses all its readers at the same moment. If each reconnected after exactly one second, they
would all reconnect at the same moment, too; a random share of a growing limit ("full jitter") spreads them out.
"""

import asyncio
import random

FIRST_S = 0.2
MOST_S = 5.0


class Backoff:
    """Counts failures in a row; `wait` sleeps for up to 0.2, 0.4, 0.8 ... 5 seconds."""

    def __init__(self) -> None:
        self.failures = 0

    async def wait(self) -> None:
        limit_s = min(MOST_S, FIRST_S * 2**self.failures)
        self.failures = min(self.failures + 1, 10)
        await asyncio.sleep(random.uniform(0, limit_s))

    def reset(self) -> None:
        self.failures = 0
