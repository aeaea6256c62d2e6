-- The row that counts per target, metric, version and source class; kept by merges, exact with FINAL.  Experiments and alignment trials stay out.
-- Rank decides, never a worker's clock: not failed, then Watermark (ms), then the server's InsertedAt (us).  So a result of an older watermark that finishes
-- later does not win, and a failure does not hide a success; failed rows stand here only while nothing else exists.
-- Every metric version keeps its own row: name the version in a query, or group by it.
CREATE TABLE IF NOT EXISTS evaluations_current
(
    EvaluationId UUID,
    Attempt UInt16,
    Level Enum8('span' = 1, 'trace' = 2, 'session' = 3),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    TargetTime DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    StartTime DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    ServiceName LowCardinality(String),
    SpanName LowCardinality(String),
    AnchorTraceId String CODEC(ZSTD(1)),
    AnchorSpanId String CODEC(ZSTD(1)),
    AnchorTime DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    MetricName LowCardinality(String),
    MetricVersion UInt32,
    SourceClass LowCardinality(String),
    Kind Enum8('judge' = 1, 'code' = 2, 'composite' = 3, 'sql' = 4, 'external' = 5, 'human' = 6),
    Status Enum8('success' = 1, 'failed' = 2, 'not_computed' = 3, 'not_applicable' = 4, 'retracted' = 5),
    ErrorCode LowCardinality(String),
    OutputType Enum8('boolean' = 1, 'categorical' = 2, 'percentage' = 3, 'count' = 4, 'discrete' = 5, 'multilabel' = 6, 'text' = 7, 'number' = 8),
    Value Nullable(Float64) CODEC(ZSTD(1)),
    Label LowCardinality(String),
    Labels Array(LowCardinality(String)),
    Text String CODEC(ZSTD(1)),
    Explanation String CODEC(ZSTD(1)),
    Watermark DateTime64(3),
    InputsDigest FixedString(16) CODEC(ZSTD(1)),
    EvaluatedAt DateTime64(6) CODEC(Delta(8), ZSTD(1)),
    InsertedAt DateTime64(6) CODEC(Delta(8), ZSTD(1)),
    Rank UInt128 CODEC(ZSTD(1)),
    INDEX idx_trace TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_session SessionId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(Rank)
PARTITION BY toYYYYMM(TargetTime)
ORDER BY (MetricName, Level, toStartOfHour(TargetTime), TraceId, SpanId, SessionId, SourceClass, MetricVersion)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000
