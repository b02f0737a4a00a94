"""A recorder whose pieces a test can see too: something to hold against what is read from a recording."""

from dataclasses import dataclass, field
from pathlib import Path

from app.link import Connection, Direction
from app.record import Recorder
from experiments.run.recording import Recording, read


@dataclass(frozen=True)
class Piece:
    """What one call of the observer said."""

    connection: Connection
    direction: Direction
    at_ns: int
    data: bytes


@dataclass
class Witness:
    """An observer for a Link."""

    recorder: Recorder = field(default_factory=Recorder)
    saw: list[Piece] = field(default_factory=list)

    def __call__(self, connection: Connection, direction: Direction, at_ns: int, data: bytes) -> None:
        self.saw.append(Piece(connection, direction, at_ns, data))
        self.recorder(connection, direction, at_ns, data)

    def recording(self, folder: Path) -> Recording:
        """What was recorded so far, by way of a file in `folder`."""
        self.recorder.write(folder / "recording")
        assert [path.name for path in folder.iterdir()] == ["recording"]
        return read(folder / "recording")
