-- The state of one target and metric among its reviewers: one row, the newest counts.  resolved is also written to evaluations with Kind = 'human'.
-- needs_reconfirm: the criteria changed since; excluded: cannot be used (schema changed).
-- CountsFrom: what was said before counts no more, because the criteria or the schema have changed; 1970 = all counts.
-- MetricVersion: the version under which it stands in evaluations; it never falls.
CREATE TABLE IF NOT EXISTS resolutions
(
    MetricName LowCardinality(String),
    Level Enum8('span' = 1, 'trace' = 2, 'session' = 3),
    TraceId String,
    SpanId String,
    SessionId String,
    MetricVersion UInt32,
    Watermark DateTime64(3),
    Status Enum8('open' = 1, 'in_review' = 2, 'resolved' = 3, 'disputed' = 4, 'needs_reconfirm' = 5, 'excluded' = 6),
    ExpectedValue Nullable(Float64),
    ExpectedLabel LowCardinality(String),
    ExpectedLabels Array(LowCardinality(String)),
    ExpectedText String CODEC(ZSTD(1)),
    Method Enum8('none' = 0, 'quorum' = 1, 'adjudicated' = 2, 'self' = 3),
    Queue LowCardinality(String),
    By LowCardinality(String),
    Reason String CODEC(ZSTD(1)),
    CountsFrom DateTime64(6),
    UpdatedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt) ORDER BY (MetricName, Level, TraceId, SpanId, SessionId) SETTINGS index_granularity = 512
