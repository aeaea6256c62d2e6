"""Runs see everything that is stored, so every test begins with an emptied database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from emptying import emptied
from run_parts import RunParts, run_parts

from storage.clickhouse.client import Database


@pytest.fixture
async def parts(database: Database) -> AsyncIterator[RunParts]:
    """All parts over the module's database, emptied before the test."""
    await emptied(database)
    async with run_parts(database) as made:
        yield made
