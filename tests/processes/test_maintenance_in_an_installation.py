"""Another writer's retry in a whole installation: doctor counts it, the evaluator removes it, doctor tells."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from maintaining import a_call, write
from running_installation import Installation, installation, wait_until

from storage.clickhouse.client import Database


def test_doctor_counts_copies_until_maintenance_removed_them(tmp_path: Path) -> None:
    """The Collector's own exporter wrote a batch twice; nobody has to do anything."""
    with installation(tmp_path) as place:
        found = place.endpoints

        async def stored_twice() -> None:
            async with Database(found["clickhouse_url"], database=found["database"]) as database:
                spans = [a_call(), a_call()]
                for _ in range(2):
                    await write(database, spans)

        with place.frozen("evaluator"):
            asyncio.run(stored_twice())
            before = _duplicates(place)
        assert before["state"] == "warning"
        assert "2 spans stored twice (0 by our receiver, 2 by other writers)" in before["found"]
        assert "0 traces with a wrong rollup" in before["found"]  # it counts what is stored
        evaluator = place.kill("evaluator")  # the next one looks at once
        place.wait_replaced("evaluator", evaluator)

        def removed() -> bool:
            return place.query("SELECT count() AS n FROM otel_traces WHERE ServiceName = 'shop'") == [{"n": 2}]

        wait_until("the copies are removed", removed)
        after = wait_until("doctor is content", lambda: _content(place))
        assert "0 spans stored twice (0 by our receiver, 0 by other writers)" in after
        assert "so far 0 + 2 copies and 0 log records removed, 2 rollups repaired" in after
        assert '"foreign_spans_removed": 2' in place.log or "foreign_spans_removed=2" in place.log


def _content(place: Installation) -> str:
    check = _duplicates(place)
    return str(check["found"]) if check["state"] == "ok" else ""


def _duplicates(place: Installation) -> dict[str, Any]:
    said = place.run("doctor", "--json")
    found: dict[str, Any] = next(row for row in said.json if row["check"] == "duplicates")
    return found
