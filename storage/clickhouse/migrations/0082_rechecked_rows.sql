-- What a version of a judge says of a target that people have decided: one row each.  Expected and Concluded are verdicts as JSON, Concluded '' where it did not conclude.
-- solved: it was wrong before, and is right; kept: it was right before (or nobody had asked), and is; still_wrong, regressed: it is wrong, and was wrong, or right, before.
CREATE TABLE IF NOT EXISTS rechecked_rows
(
    MetricName LowCardinality(String),
    MetricVersion UInt32,
    Level Enum8('span' = 1, 'trace' = 2, 'session' = 3),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Verdict Enum8('solved' = 1, 'kept' = 2, 'still_wrong' = 3, 'regressed' = 4, 'failed' = 5),
    Expected String CODEC(ZSTD(1)),
    Concluded String CODEC(ZSTD(1)),
    Explanation String CODEC(ZSTD(1)),
    CheckedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(CheckedAt) ORDER BY (MetricName, Level, TraceId, SpanId, SessionId, MetricVersion) SETTINGS index_granularity = 512
