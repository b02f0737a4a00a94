"""The pages of the transports, in teaching order: where they are. What they say is in `words.modes`."""

from dataclasses import dataclass

from app.pages.words import modes
from app.transports import TRANSPORTS


@dataclass(frozen=True)
class Mode:
    """A transport's page."""

    name: str

    @property
    def path(self) -> str:
        return self.name.replace("_", "-")

    @property
    def say(self) -> modes.Mode:
        return modes.MODES[self.name]


MODES = tuple(map(Mode, TRANSPORTS))

assert tuple(modes.MODES) == tuple(TRANSPORTS)
