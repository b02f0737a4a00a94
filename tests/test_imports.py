"""Imports point one way: experiments -> clients -> app.message. And files stay small enough to be read in a lecture."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "clients", "experiments")
FILES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]

# Who may import what of the project; the most special rule counts.
ALLOWED = {
    "app": ("app",),
    "app.message": (),
    "clients": ("clients", "app.message"),
    "experiments": ("experiments", "clients", "app.message"),
    # Programs that the benchmark starts; one of them is this server.
    "experiments.bench.peers": ("experiments.bench.peers",),
    "experiments.bench.peers.this": ("experiments.bench.peers", "app"),
}

PURE = {
    "__future__",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "itertools",
    "json",
    "math",
    "re",
    "typing",
    "unicodedata",
}


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def imported(source: str, importer: str = "", is_package: bool = False) -> Iterator[str]:
    """The full names of all modules that are imported anywhere in `source`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = importer.split(".")[: len(importer.split(".")) - node.level + is_package] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inside = f"{origin}.{alias.name}"
                yield inside if is_module(inside) else origin


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_one_way(file: Path) -> None:
    name = module_name(file)
    allowed = ALLOWED[max((rule for rule in ALLOWED if within(name, (rule,))), key=len)]
    names = set(imported(file.read_text(), name, file.name == "__init__.py"))
    project = {one for one in names if within(one, (*PACKAGES, "tests"))}
    assert {one for one in project if not within(one, allowed)} == set()


def test_what_server_and_clients_share_does_no_io() -> None:
    names = {name.partition(".")[0] for name in imported((ROOT / "app/message.py").read_text())}
    assert names - PURE == set()


def test_every_way_to_import_is_found() -> None:
    source = (
        "import app.log as a\nfrom app import message, link\nfrom app.log import MessageLog\nfrom . import sse\n"
        "from ..guard import Guard\ndef f():\n  import os.path\n"
    )
    assert set(imported(source, "app.transports.x")) == {
        *("app.log", "app.message", "app.link", "app.transports.sse", "app.guard", "os.path")
    }
    assert set(imported("from . import sse\nfrom .sse import x", "app.transports", True)) == {"app.transports.sse"}


@pytest.mark.parametrize(
    "file",
    [file for folder in ("app/transports", "clients") for file in sorted((ROOT / folder).rglob("*.py"))],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_what_is_read_side_by_side_fits_on_a_screen(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 70
