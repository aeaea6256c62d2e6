"""Installations that tests share, and installations of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_installation import Installation, installation


@pytest.fixture(scope="session", autouse=True)
def _with_proc() -> None:
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds the processes of an installation in /proc, which this system does not have")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One `assay up` for every test that leaves its processes alone."""
    with installation(tmp_path_factory.mktemp("installation")) as place:
        yield place


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Installation]:
    """One `assay up` for one test, not started yet."""
    with installation(tmp_path, started=False) as place:
        yield place
