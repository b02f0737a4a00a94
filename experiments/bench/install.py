"""Installs what the peers need, where it is missing: Node's packages as locked, picows with hashes, Node on Debian."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.bench.program import PROJECT

PEERS = Path(__file__).parent / "peers"
APT = ("apt-get", "install", "-y", "--no-install-recommends", "nodejs", "npm")
NPM = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def node() -> str:
    """Node and its packages; why not, in a line, or nothing if they are there."""
    if not (shutil.which("node") and shutil.which("npm")):
        if not (is_debian() and os.geteuid() == 0):
            return f"Node.js with npm is not installed: sudo {' '.join(APT)}"
        attempt(("apt-get", "update"))  # half an update may be enough; if not, the next says so
        if why := attempt(APT):
            return f"Node.js can't be installed: {why}"
    locked, installed = PEERS / "package-lock.json", PEERS / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= locked.stat().st_mtime:
        return ""
    why = attempt(NPM, PEERS)
    return f"Node's packages can't be installed: {why}" if why else ""


def picows() -> str:
    """The same for picows."""
    if importlib.util.find_spec("picows"):
        return ""
    uv = Path(sys.prefix) / "bin" / "uv"
    pinned = PROJECT / "requirements-bench.txt"
    install = ("pip", "install", "--quiet", "--python", sys.executable, "--require-hashes", "-r", str(pinned))
    why = attempt((str(uv), *install))
    importlib.invalidate_caches()
    return f"picows can't be installed: {why}" if why else ""


def attempt(command: Sequence[str], folder: Path | None = None) -> str:
    """Run it; why it failed, in a line, or nothing."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    except OSError as problem:
        return str(problem)
    said = [line for line in done.stderr.splitlines() if line.strip()]
    return (said[-1] if said else f"exit code {done.returncode}") if done.returncode else ""


def is_debian() -> bool:
    """Its packages are new enough, and installing them asks nothing."""
    try:
        return platform.freedesktop_os_release()["ID"] == "debian"
    except OSError:
        return False
