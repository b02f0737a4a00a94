"""A server's core is its own, where there are several; tried in another process, which is kept to them."""

import subprocess
import sys

CODE = """
import os
from experiments.run import cores
known = getattr(os, "sched_getaffinity", lambda _: set())  # not on every system
cores.for_server(os.getpid())
servers = known(0)
cores.for_others()
others = known(0)
assert servers | others == set(cores.CORES)
assert len(cores.CORES) < 2 or (len(servers) == 1 and not servers & others)
"""


def test_the_server_shares_its_core_with_nobody() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
