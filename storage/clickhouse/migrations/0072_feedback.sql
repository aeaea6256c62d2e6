-- What a person expects of one target and metric.  Append-only; a retraction is a row with the same FeedbackId, and it is final: of a FeedbackId's rows
-- the retracted one counts, else the first (view feedback_current).
-- Judge* and InputSnapshot are what the reviewer saw.  GroupKey keeps related rows in one split (session > trace > hash of the input).
-- CreatedAt is when the feedback was given, on all of its rows; UpdatedAt, By and Reason belong to the row: who took it back, when and why.
-- BulkId: what it was given with, and can be undone with; zeros = it was given alone.
CREATE TABLE IF NOT EXISTS feedback
(
    FeedbackId UUID,
    Queue LowCardinality(String),
    BulkId UUID,
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
    JudgeLabels Array(LowCardinality(String)),
    JudgeText String CODEC(ZSTD(1)),
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
    By LowCardinality(String),
    Reason String CODEC(ZSTD(1)),
    CreatedAt DateTime64(6) DEFAULT now64(6),
    UpdatedAt DateTime64(6) DEFAULT now64(6),
    INDEX idx_feedback FeedbackId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_trace TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_bulk BulkId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree ORDER BY (MetricName, Level, TraceId, SpanId, SessionId, CreatedAt)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000
