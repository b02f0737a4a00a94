"""Where Chromium is; `python -m tests.chromium` installs it and the other programs that tests run, on Debian as root.

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

PACKAGES = {"tcpdump": "tcpdump", "tshark": "tshark", "npm": "nodejs npm", "curl": "curl"}
"""Other programs that tests hold the project against, and the Debian packages that bring them."""

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
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not find():
        missing.insert(0, APT_INSTALL.partition("recommends ")[2])
    if not missing:
        return
    command = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    if not (is_debian() and os.geteuid() == 0):
        if not find():
            print(f"Chromium is not installed, tests in a browser are skipped: {how_to_install()}")
        return
    print(f"installing what tests need: {command}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for one in ("apt-get update", command):  # half an update may be enough; if not, the second says so
        apt = subprocess.run(one.split(), env=environment, capture_output=True, text=True)
    if apt.returncode:
        print("that failed, the tests that need them are skipped:", *apt.stderr.splitlines()[-1:])


if __name__ == "__main__":
    main()
