"""Which readers of a crowd are looked at one by one.

The server's recorder decides by the same rule which connections' bytes it keeps (`app.record.Sample`; a test holds the
two together), so that neither has to tell the other.
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """About `share` of all ports; others with another `seed`."""

    share: float
    seed: int

    def __contains__(self, port: int) -> bool:
        digest = hashlib.sha256(f"{self.seed} {port}".encode()).digest()
        return int.from_bytes(digest[:4]) < self.share * 2**32

    def __str__(self) -> str:
        """As the server's command line has it."""
        return f"{self.share!r}:{self.seed}"
