-- What a person expects of one target and metric.  Append-only; a retraction is a row with the same FeedbackId, the latest row of a FeedbackId counts.
-- Judge* and InputSnapshot are what the reviewer saw.  GroupKey keeps related rows in one split (session > trace > hash of the input).
CREATE TABLE IF NOT EXISTS feedback
(
    FeedbackId UUID,
    Queue LowCardinality(String),
    Level Enum8('span' = 1, 'trace' = 2, 'session' = 3),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    MetricName LowCardinality(String),
    MetricVersion UInt32,
    EvaluationId UUID,
    Annotator LowCardinality(String),
    JudgeValue Nullable(Float64),
    JudgeLabel LowCardinality(String),
    JudgeExplanation String CODEC(ZSTD(1)),
    JudgeModel LowCardinality(String),
    ExpectedValue Nullable(Float64),
    ExpectedLabel LowCardinality(String),
    ExpectedLabels Array(LowCardinality(String)),
    ExpectedText String CODEC(ZSTD(1)),
    Rationale String CODEC(ZSTD(1)),
    InputSnapshot String CODEC(ZSTD(3)),
    GroupKey String CODEC(ZSTD(1)),
    Watermark DateTime64(3),
    Status Enum8('submitted' = 1, 'retracted' = 2),
    CreatedAt DateTime64(6) DEFAULT now64(6),
    INDEX idx_trace TraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree ORDER BY (MetricName, Level, TraceId, SpanId, SessionId, CreatedAt)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000
