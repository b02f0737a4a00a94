"""What every test shares."""

import os
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.browsing import launched
from tests.chromium import find, how_to_install


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
