"""Where the spans go: the table of the Collector's exporter with our columns, or ours with all that hangs on it."""

from __future__ import annotations

from storage.clickhouse.client import Database
from storage.clickhouse.migrate import migrate
from storage.otlp import columns

# Its classic schema with the bloom filters, and what our receiver writes besides, without any expression.
BARE = """
CREATE TABLE {name}
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    IngestedAt DateTime64(3) DEFAULT now64(3) CODEC(Delta(8), ZSTD(1)),
    RequestDigest FixedString(16) CODEC(ZSTD(1)),
    RequestRows UInt32 CODEC(ZSTD(1)),
{derived}
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
"""  # noqa: E501


async def prepare(url: str, *, bare: bool) -> None:
    """Make an empty database; merges do not run in it, so that every run pays the same."""
    async with Database(url) as database:
        if bare:
            await database.execute(f"CREATE DATABASE `{database.name}`", in_database=False)
            derived = "\n".join(f"    {column.name} {column.type} CODEC(ZSTD(1))," for column in columns.DERIVED)
            await database.execute(BARE.format(name="otel_traces", derived=derived))
        else:
            await migrate(database)
        await database.execute(f"SYSTEM STOP MERGES `{database.name}`.otel_traces")


async def drop(url: str) -> None:
    """Remove the database and its files."""
    async with Database(url) as database:
        await database.execute(f"DROP DATABASE `{database.name}` SYNC", in_database=False)


async def stored(url: str) -> tuple[int, float]:
    """Rows of otel_traces, and rows per part."""
    async with Database(url) as database:
        rows = await database.query(
            "SELECT count() AS parts, sum(rows) AS spans FROM system.parts "
            "WHERE active AND database = currentDatabase() AND table = 'otel_traces'"
        )
    return int(rows[0]["spans"]), int(rows[0]["spans"]) / max(1, int(rows[0]["parts"]))
