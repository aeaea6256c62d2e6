"""One real ClickHouse for the whole run: embedded, or the one that `make test CLICKHOUSE_URL=…` names."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from storage.clickhouse.client import Database
from storage.clickhouse.migrate import migrate
from storage.clickhouse.server import running


@pytest.fixture(scope="session")
def clickhouse_url() -> Iterator[str]:
    """Address of a running server, with credentials that may create databases."""
    external = os.environ.get("ASSAY_TEST_CLICKHOUSE_URL", "")
    if external:
        yield external
        return
    with tempfile.TemporaryDirectory(prefix="assay-test-") as folder, running(Path(folder)) as server:
        yield server.url()


async def _create(url: str) -> None:
    async with Database(url) as database:
        await migrate(database)


async def _drop(url: str) -> None:
    async with Database(url) as database:
        await database.execute(f"DROP DATABASE IF EXISTS `{database.name}` SYNC", in_database=False)


def _new_database(clickhouse_url: str) -> Iterator[str]:
    url = urlunsplit(urlsplit(clickhouse_url)._replace(path=f"/assay_test_{uuid.uuid4().hex[:12]}"))
    asyncio.run(_create(url))
    yield url
    asyncio.run(_drop(url))


@pytest.fixture(scope="module")
def database_url(clickhouse_url: str) -> Iterator[str]:
    """Address of a migrated database that the tests of one module share: use ids of your own."""
    yield from _new_database(clickhouse_url)


@pytest.fixture
def fresh_database_url(clickhouse_url: str) -> Iterator[str]:
    """Address of a migrated, empty database for one test (costs half a second)."""
    yield from _new_database(clickhouse_url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open connection to the module's database."""
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture
async def fresh_database(fresh_database_url: str) -> AsyncIterator[Database]:
    """An open connection to an empty database."""
    async with Database(fresh_database_url) as opened:
        yield opened
