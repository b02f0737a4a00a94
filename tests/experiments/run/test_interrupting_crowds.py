"""Ctrl-C in the middle of a run with a crowd: nothing that belongs to it is left."""

import contextlib
import signal
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.processes import leader, members, wait_until

READERS = 200
SCHEDULE = """
import sys
from experiments.design import Condition, Run
from experiments.schedule import Schedule
condition = Condition("websocket", clients=int(sys.argv[2]), client="raw", measures=sys.argv[1])
Schedule([Run(condition, 0, 5.0, seed=1)], lambda run, result: None, lambda schedule: None).go()
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")


def descriptors(group: int) -> int:
    """The most that any process of the group has open; `ps` would take too long to see every moment."""
    counts = [0]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if int((process / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                counts.append(len([*(process / "fd").iterdir()]))
    return max(counts)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["connecting", "connected", "no server"])
def test_no_process_is_left(moment: str, number: signal.Signals, tmp_path: Path) -> None:
    measures = "storm" if moment == "no server" else "broadcasts"
    with leader("-c", SCHEDULE, measures, str(READERS), temporary=tmp_path, cwd=ROOT) as process:
        wait_until(lambda: descriptors(process.pid) > READERS // (4 if moment == "connecting" else 1))
        if moment == "no server":  # it is gone, and its connections with it
            wait_until(lambda: descriptors(process.pid) < READERS)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        wait_until(lambda: not members(process.pid))
    assert stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert not list(tmp_path.iterdir())
