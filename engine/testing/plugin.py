"""The pytest plug-in `fieldwright`: the database of function checks, opened when the first check asks for it.

pytest imports this module in every project beside which Fieldwright is installed, so it imports nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest


@pytest.fixture(scope="session")
def fieldwright_database_url() -> Iterator[str]:
    """The PostgreSQL that checks run on: `FIELDWRIGHT_DATABASE_URL`, else an embedded one in `.fieldwright`. A project
    with a database of its own for tests overrides this fixture."""
    with import_module("engine.testing.database").server() as url:
        yield url


@pytest.fixture(scope="session")
def fieldwright_database(fieldwright_database_url: str) -> Iterator[Any]:
    """The `engine.testing.database.Database` of the session."""
    found = import_module("engine.testing.database").Database(fieldwright_database_url)
    yield found
    found.close()
