"""Node.js and the npm packages that tests run in it, installed below `.venv` when they are first needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(sys.prefix) / "node"


def modules(*packages: str) -> Path:
    """The folder in which Node finds these packages, NAME@VERSION each; without Node tests are skipped."""
    npm = shutil.which("npm") if shutil.which("node") else None
    if npm is None:
        missing = "Node.js with npm is not installed: on Debian and Ubuntu, apt-get install nodejs npm"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    folder = FOLDER / "+".join(packages).replace("/", "_")
    if not (folder / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--package-lock=false", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([*command, "--prefix", str(folder), *packages], check=True, stdout=subprocess.DEVNULL)
        (folder / "ready").touch()
    return folder / "node_modules"
