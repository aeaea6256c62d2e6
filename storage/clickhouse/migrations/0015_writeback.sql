-- The write-back outbox: which result went to which span in which batch.
CREATE TABLE IF NOT EXISTS writeback
(
    BatchId UInt64,
    EvaluationId UUID,
    Attempt UInt16,
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    ServiceName LowCardinality(String),
    SpanName LowCardinality(String),
    Attributes Map(String, String) CODEC(ZSTD(1)),
    StagedAt DateTime64(3) DEFAULT now64(3),
    INDEX idx_evaluation EvaluationId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY toDate(StagedAt) ORDER BY (BatchId, TraceId, SpanId)
TTL toDateTime(StagedAt) + INTERVAL 7 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1
