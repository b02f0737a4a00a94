"""Where Chromium is; `python -m tests.chromium` installs it, where that is one command that needs no question.

The tests drive the browser that the system has. Playwright's own download never happens.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
APPLICATIONS = (
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
)

# A screenshot without any font has no text.
APT_INSTALL = "apt-get install -y --no-install-recommends chromium fonts-dejavu-core"


def find() -> str | None:
    """The path of Chromium, or of its sibling Chrome; None if neither is here."""
    on_path = (shutil.which(name) for name in NAMES)
    applications = (str(path) for path in APPLICATIONS if path.exists())
    return next(filter(None, (*on_path, *applications)), None)


def how_to_install() -> str:
    """The command for this system, or advice where there is none."""
    if sys.platform == "darwin":
        return "brew install --cask chromium"
    return f"sudo {APT_INSTALL}" if is_debian() else "install Chromium with your system's packages"


def is_debian() -> bool:
    """Not Ubuntu: its package of this name only refers to a snap."""
    try:
        return platform.freedesktop_os_release()["ID"] == "debian"
    except OSError:
        return False


def main() -> None:
    if find():
        return
    if not (is_debian() and os.geteuid() == 0):
        print(f"Chromium is not installed, tests in a browser are skipped: {how_to_install()}")
        return
    print(f"installing Chromium for the tests in a browser: {APT_INSTALL}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update", APT_INSTALL):  # half an update may be enough; if not, the second says so
        apt = subprocess.run(command.split(), env=environment, capture_output=True, text=True)
    if apt.returncode:
        print("that failed, tests in a browser are skipped:", *apt.stderr.splitlines()[-1:])


if __name__ == "__main__":
    main()
