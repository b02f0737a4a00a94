"""An event loop whose clock jumps: when everybody waits, it is at once as late as the first of them waits for.

What takes time is tested with it to the last digit, and without waiting.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and not self._stopping:  # type: ignore[attr-defined]
            scheduled = [handle for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
            if not scheduled:
                raise RuntimeError("everybody waits, and for nothing that could ever come")
            self._now = max(self._now, min(handle.when() for handle in scheduled))
        super()._run_once()  # type: ignore[misc]


def run_jumping(coroutine: Coroutine[Any, Any, T]) -> T:
    """asyncio.run, on a loop whose clock starts at 0 and jumps."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(coroutine)
