"""What a peer needs is installed, or the reason why not is said in a line."""

import sys
from pathlib import Path

import pytest

from experiments.bench import install
from experiments.bench.servers import SERVERS, missing


def test_a_command_that_works_says_nothing() -> None:
    assert install.attempt((sys.executable, "-c", "import sys; sys.stderr.write('a warning')")) == ""


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit('many words\\n\\nthe last line')", "the last line"),
        ("import sys; sys.exit(3)", "exit code 3"),
    ],
)
def test_a_command_that_fails_says_why_in_a_line(program: str, why: str) -> None:
    assert install.attempt((sys.executable, "-c", program)) == why


def test_a_command_that_does_not_exist_says_so() -> None:
    assert "no-such-program" in install.attempt(("no-such-program",))


def test_without_node_its_peers_are_missing_and_the_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = missing([name for name in SERVERS if name != "picows"])
    assert set(found) == {"ws", "socket.io", "http"}
    assert all(why.startswith("Node.js") and "\n" not in why for why in found.values())


def test_packages_are_locked_by_hash_and_name_no_host() -> None:
    locked = (install.PEERS / "package-lock.json").read_text()
    assert locked.count('"integrity": "sha512-') == locked.count('"node_modules/')
    assert "://" not in locked
