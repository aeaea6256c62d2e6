-- Results of others of which nothing was made, and why; one row for each statement, however often it was looked at.
CREATE TABLE IF NOT EXISTS external_refused
(
    Key String CODEC(ZSTD(1)),
    Reason LowCardinality(String),
    Name String CODEC(ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String),
    ArrivedAt DateTime64(3),
    RefusedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(RefusedAt) PARTITION BY toStartOfDay(ArrivedAt) ORDER BY (toStartOfHour(ArrivedAt), Reason, Key)
TTL toDateTime(ArrivedAt) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1
