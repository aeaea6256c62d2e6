"""Tests of one module share a database; one that needs it empty gets it emptied."""

from __future__ import annotations

import pytest
from emptying import emptied

from storage.clickhouse.client import Database


@pytest.fixture
async def fresh_database(database: Database) -> Database:
    """The module's database, emptied before the test."""
    await emptied(database)
    return database


@pytest.fixture
def fresh_database_url(fresh_database: Database, database_url: str) -> str:
    """Its address."""
    assert fresh_database.name in database_url
    return database_url
