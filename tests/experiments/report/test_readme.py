"""The README says what is so: its commands exist, its links lead somewhere, its numbers are the reference's."""

import re
from importlib import import_module

import pytest

from experiments.report import readme
from tests import ROOT
from tests.inventing import a_table

TEXTS = {name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md")}


def commands(pattern: str) -> list[str]:
    """Everything in code that looks like a command, without comments and placeholders."""
    code = [match for text in TEXTS.values() for match in re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", text, re.DOTALL)]
    lines = [line.split("#")[0].strip() for block in code for line in "".join(block).splitlines()]
    return sorted({part.strip() for line in lines for part in line.split(", ") if re.match(pattern, part.strip())})


@pytest.mark.parametrize("command", commands(r"make [a-z]+"))
def test_make_knows_the_target(command: str) -> None:
    _, target, *variables = command.split()
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE)
    for variable in variables:
        assert f"$({variable.split('=')[0]}" in makefile


@pytest.mark.parametrize("command", commands(r"\.venv/bin/python -m (app|experiments)"))
def test_the_command_line_accepts_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, package, *arguments = command.replace("NAME-OR-ADDRESS", "lecture.example").split()
    # `--help` behind everything else: the rest is parsed first, and refused if it is wrong; nothing is done.
    with pytest.raises(SystemExit) as ended:
        import_module(f"{package}.__main__").main([*arguments, "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXTS["README.md"])
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_numbers_are_those_of_the_reference() -> None:
    quoted = TEXTS["README.md"].split(readme.BEGIN)[1].split(readme.END)[0]
    assert quoted == readme.block(ROOT / "results" / "reference")


def test_the_benchmark_is_that_of_the_reference() -> None:
    stored = ROOT / "results" / "reference"
    assert (readme.BENCH_BEGIN in TEXTS["README.md"]) == (stored / "bench.json").exists()
    if readme.BENCH_BEGIN in TEXTS["README.md"]:
        quoted = TEXTS["README.md"].split(readme.BENCH_BEGIN)[1].split(readme.BENCH_END)[0]
        assert quoted == readme.bench_block(stored)


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    assert readme.between("a <b> old <e> c", "<b>", "<e>", " new ") == "a <b> new <e> c"


def test_every_claim_has_its_row() -> None:
    rows = readme.verdicts(a_table(there=lambda condition: condition.variant == "websocket")).splitlines()
    assert rows[:2] == ["| claim | verdict | |", "|---|---|---|"]
    assert (
        rows[2] == "| Only a request brings news | **not decided by this run** | This comparison does not decide it. |"
    )
    assert rows[6].startswith(
        "| WebSocket: a handshake, then TCP | **holds with a condition** | The server speaks first"
    )
    assert len(rows) == 8


def test_the_interpreter_that_is_asked_for_is_the_one_that_is_needed() -> None:
    (least,) = re.findall(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert f"Python {least} or newer" in TEXTS["README.md"]
