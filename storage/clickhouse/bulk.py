"""Results of `sql` metrics on very many spans: the port `BulkResults`."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import pairwise

from storage.bulk import BulkMetric
from storage.clickhouse.client import Database, statement
from storage.clickhouse.runs import FILTER, condition, ledger_of, parameters_of
from storage.model import RESULT_NAMESPACE, Level, OutputType, Purpose
from storage.runs import Selected

_GENTLY = {"max_threads": 1}
"""Rules and callers go first."""
_VALUES = "trace_id String, span_id String, value Nullable(Float64)"


class ClickHouseBulkResults:
    """`storage.bulk.BulkResults` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def windows(self, selected: Selected, *, spans: int) -> list[tuple[int, int]]:
        """See the port."""
        bounds = {"since_ns": selected.since_ns, "until_ns": selected.until_ns}
        minutes = await self._database.rows("bulk_windows", bounds)
        if not minutes:
            return []
        edges, gathered = [selected.since_ns], 0
        for minute in minutes:
            if gathered and gathered + minute["spans"] > spans:
                edges.append(max(selected.since_ns, minute["start_ns"]))
                gathered = 0
            gathered += minute["spans"]
        edges.append(selected.until_ns)
        return list(pairwise(edges))

    async def append(
        self, metric: BulkMetric, selected: Selected, values: bytes, *, run_id: str, purpose: Purpose, again: bool
    ) -> Mapping[str, int]:
        """See the port."""
        identity = f"{metric.name}@{metric.version}:{metric.digest}"
        common: dict[str, object] = parameters_of(selected) | {
            "since_ns": selected.since_ns,
            "until_ns": selected.until_ns,
            "kinds": list(metric.kinds),
            "metric": metric.name,
            "run_id": run_id,
            "ledger": ledger_of(run_id),
            "no_value": metric.no_value,
        }
        own = {
            "namespace": RESULT_NAMESPACE.hex,
            "before": "\x1f".join((purpose, run_id, identity, Level.SPAN, "")),
            "version": metric.version,
            "digest": metric.digest,
            "purpose": str(purpose),
            "output_type": str(metric.output_type),
            "boolean": metric.output_type is OutputType.BOOLEAN,
            "lowest_bits": _bits(metric.lowest),
            "highest_bits": _bits(metric.highest),
            "threshold_bits": _bits(metric.threshold or 0.0),
            "judged": 0 if metric.threshold is None else 1 if metric.higher_is_better else -1,
            "whole": metric.whole,
            "again": again,
        }
        filtered = condition(selected)
        await self._database.execute(
            statement("bulk_results").replace(FILTER, filtered),
            common | own,
            settings=_GENTLY,
            beside=("computed", _VALUES, values),
        )
        await self._database.run("bulk_decisions", common, settings=_GENTLY)
        await self._database.execute(statement("bulk_rest").replace(FILTER, filtered), common, settings=_GENTLY)
        rows = await self._database.rows("bulk_counts", common)
        return {row["decision"]: row["pairs"] for row in rows}


def _bits(number: float) -> int:
    """A number as it lies in memory: as text a server may read it one bit off."""
    return int.from_bytes(struct.pack("<d", number), "little")
