"""What a receiver tells of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation

from exporter.counting import Counts
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink
from storage.telemetry import TelemetryTable

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

SIGNAL, ERROR, TABLE = "assay.signal", "error.type", "assay.table"


def tell(meter: Meter, counts: Counts) -> None:
    """Register what is counted anyway: nothing is added to a request."""
    told = meter.create_observable_counter
    told("assay.exporter.requests", [_of(SIGNAL, lambda: counts.requests)], "{request}", "Requests that were committed")
    told("assay.exporter.items", [_of(SIGNAL, lambda: counts.items)], "{item}", "Spans and log records of them")
    told("assay.exporter.body.size", [_of(SIGNAL, lambda: counts.body_bytes)], "By", "Their bodies, decompressed")
    told("assay.exporter.rejected", [_of(SIGNAL, lambda: counts.rejected)], "{item}", "Items refused by themselves")
    told("assay.exporter.refused", [_refused(counts)], "{request}", "Requests that were refused, and why")
    meter.create_observable_gauge(
        "assay.exporter.queue.size", [lambda _: [Observation(counts.held_bytes())]], "By", "Rows not committed yet"
    )


def _of(name: str, read: Callable[[], Mapping[str, int]]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, {name: key}) for key, value in dict(read()).items()]

    return observe


def _refused(counts: Counts) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        found = dict(counts.refused)
        return [Observation(value, {SIGNAL: signal, ERROR: reason}) for (signal, reason), value in found.items()]

    return observe


class MeasuredSink(ClickHouseSink):
    """How long each INSERT takes."""

    def __init__(self, database: Database, meter: Meter) -> None:
        super().__init__(database)
        self._seconds = meter.create_histogram(
            "assay.exporter.insert.duration", "s", "From sending an INSERT to its end, failed ones too"
        )

    async def insert(self, table: TelemetryTable, blocks: Sequence[bytes], *, token: str) -> None:
        """See the port."""
        began, error = time.perf_counter(), "unknown"
        try:
            await super().insert(table, blocks, token=token)
            error = ""
        except Exception as failed:
            error = type(failed).__name__
            raise
        finally:
            attributes = {TABLE: table} | ({ERROR: error} if error else {})
            self._seconds.record(time.perf_counter() - began, attributes)
