"""What every test shares."""

import os
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests import ROOT
from tests.browsing import launched
from tests.chromium import find, how_to_install

SERIAL = (
    "tests/experiments/run",
    "tests/experiments/test_compare.py",
    "tests/experiments/test_schedule.py",
    "tests/test_capture.py",
)
"""Where tests measure, or end processes in the middle of it: `make test` runs two files of these at a time, in the end.

Most of what they do is to wait, and the tests of one file are never side by side.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(ROOT / place) for place in SERIAL):
            item.add_marker("serial")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is; without it a test is skipped, and where CI is set it fails."""
    path = find()
    if path is not None:
        return path
    missing = f"Chromium is not installed: {how_to_install()}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="module")
async def chromium(chromium_path: str, anyio_backend: str) -> AsyncIterator[Browser]:
    """One browser for all tests of a module; it starts in half a second.

    Not one for all tests: it would keep one event loop alive for all of them, and there a single test that hangs until
    its time is up takes every asynchronous test after it along.
    """
    async with launched(chromium_path) as browser:
        yield browser
