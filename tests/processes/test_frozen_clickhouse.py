"""A ClickHouse that neither answers nor dies: back-pressure in bounded memory, then everything goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_installation import Installation, installation, wait_until
from sent_spans import Load, stored_ids

RECEIVER_MB = 200
"""What a receiver may need (issue 4)."""
STUCK_MB = 50
"""What an INSERT that was given up may hold besides: the HTTP client keeps a copy until the frozen server reads it."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose ClickHouse is frozen."""
    with installation(tmp_path) as made:
        yield made


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@pytest.mark.parametrize(
    ("clients", "kilobytes", "frozen_seconds", "most_mb"),
    [(24, 2000, 0, RECEIVER_MB), pytest.param(192, 1000, 60, RECEIVER_MB + STUCK_MB, marks=pytest.mark.soak)],
    ids=["until it shows", "60 s"],
)
def test_a_frozen_clickhouse_slows_the_senders_and_nothing_is_lost(
    place: Installation, clients: int, kilobytes: int, frozen_seconds: float, most_mb: float
) -> None:
    """More than the receiver holds is sent again by the clients; it is stored once ClickHouse goes on."""
    exporter = place.pid_of("exporter")
    load = Load(address=place.endpoints["otlp_grpc"], seed=60, clients=clients, spans=1, padding=kilobytes * 500)
    with load.running():
        load.wait_for_more(1)
        with place.frozen("clickhouse"):
            since, seen = time.monotonic(), len(load.refused)
            wait_until("half of the clients to be told to come again", lambda: len(load.refused) >= seen + clients / 2)
            wait_until("the time to pass", lambda: time.monotonic() - since >= frozen_seconds)
        load.wait_for_more(clients)
    assert load.broken == []
    assert {code.name for code, _ in load.refused} <= {"RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
    assert load.acknowledged - stored_ids(place) == set()
    assert place.pid_of("exporter") == exporter
    assert _peak_mb(exporter) < most_mb
