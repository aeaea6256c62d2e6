"""The built Collector, or the reason why its tests are skipped."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from collector_build import binary, build
from collector_process import collecting, with_the_other_way, writing_to

from storage.clickhouse.client import Database


@pytest.fixture(scope="session")
def collector() -> Path:
    """A built Collector.  Only `make test-collector` (ASSAY_TEST_COLLECTOR=1) builds one: it takes minutes."""
    if binary().exists():
        return binary()
    if shutil.which("go") is None:
        pytest.skip("a real Collector is built with Go, and there is no `go` on the PATH")
    if os.environ.get("ASSAY_TEST_COLLECTOR") != "1":
        pytest.skip("the Collector is not built yet: run `make test-collector` (minutes the first time)")
    return build()


@pytest.fixture
async def own_schema(collector: Path, tmp_path: Path, clickhouse_url: str) -> AsyncIterator[Database]:
    """A database whose tables clickhouseexporter itself has made (`create_schema: true`)."""
    config = with_the_other_way()
    config["exporters"]["clickhouse/assay"]["create_schema"] = True
    url = urlunsplit(urlsplit(clickhouse_url)._replace(path=f"/assay_test_{uuid.uuid4().hex[:12]}"))
    with collecting(collector, config, tmp_path, **writing_to(url)) as running:
        running.drain()
    async with Database(url) as database:
        yield database
        await database.execute(f"DROP DATABASE `{database.name}` SYNC", in_database=False)
