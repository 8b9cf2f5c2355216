"""One database with the probe tenant for all tests of the room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.automation.support import prepare


@pytest.fixture(scope="package")
def probe_url(new_database: Callable[[], str]) -> str:
    url = new_database()
    asyncio.run(prepare(url))
    return url
