"""A machine without a browser: the tests in one are skipped, but not where somebody relies on them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chromium import APPLICATIONS, NAMES, find


@pytest.mark.parametrize("name", NAMES)
def test_chromium_is_found_by_any_of_its_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / name).touch(0o755)
    assert find() == str(tmp_path / name)


@pytest.mark.skipif(any(path.exists() for path in APPLICATIONS), reason="there is one besides the PATH")
@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_without_chromium_a_test_is_skipped_but_fails_in_ci(ci: str, outcome: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_browsing.py", "-k", "as_asked_for"],
        env={**os.environ, "PATH": str(tmp_path), "CI": ci},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    )
    assert outcome in done.stdout
    assert "Chromium is not installed: " in done.stdout
