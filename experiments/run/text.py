"""Text to fill a message with: seeded, and about as compressible as what people write.

`"x" * n` would shrink to nothing under compression, random bytes not at all; both would mislead a measurement.
"""

import random

WORDS = tuple(
    """
    the a this every some new old open late early first last small large quiet sudden local remote shared server
    browser reader message channel report meeting station market weather signal bridge harbour engine update
    result question answer number window morning evening train river garden library kitchen mountain arrives
    leaves changes opens closes waits answers repeats fails returns moves grows falls stops begins in on at near
    behind after before without under over from to with again today soon now here there slowly quickly twice
    once never always almost exactly and but so while because
    """.split()  # noqa: SIM905
)


def sample_text(rng: random.Random, size: int) -> str:
    """Words, `size` ASCII bytes in all."""
    words: list[str] = []
    length = -1
    while length < size:
        words.append(rng.choice(WORDS))
        length += len(words[-1]) + 1
    return " ".join(words)[: size - 1].rstrip().ljust(size, ".")
