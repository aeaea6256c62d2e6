-- Append-only.  One row per finished attempt.  Nothing here is ever changed or deleted.
--  EvaluationId  UUIDv5 of (source, rule | run | request id, metric digest, level, target, watermark, trial, annotator).  A repeated insert is the same row;
--              retries keep the id, so a row is (EvaluationId, Attempt).
--  Target      Level + ids.  span: TraceId, SpanId.  trace: TraceId.  session: SessionId.  Ids of other levels stay ''.
--  TargetTime  what cannot move, because it is part of the key: span: its Timestamp; trace: traces.FirstIngested; session: sessions.FirstIngested.
--  StartTime   event start of the target as known then (for people and charts).  It may move: an earlier span can arrive late.
--  Anchor*     the span that shows the result as attributes: the span itself; the root span of the trace; the root span of the session's FIRST trace
--              (by arrival).  Copied from the target's first result (query settled_anchors), so no stale copy stays behind when a root comes late.
--              With ServiceName/SpanName/AnchorTime = primary key of that span in otel_traces.
--  Watermark   the newest arrival that the result has seen of its target.
--  SourceClass 'human' results never hide 'auto' ones and the other way round.
--  Value, Label, Labels, Text   boolean: 1/0 and 'true'/'false'; categorical: Label; percentage, count, discrete, number: Value; multilabel: Labels; text: Text.
--              Only a success has any of them.  A retraction is a new row with Status = 'retracted'.
--  InputDigest   digest of what the metric read of the target.  InputsDigest (composites): hash of the sorted child EvaluationIds.
-- Keys: metric first, then hour, then target.  Aggregates by metric and time range read a contiguous slice;
-- look-ups by trace or session go through the bloom filters (6.5 ms CPU, as fast as a table sorted by trace).
CREATE TABLE IF NOT EXISTS evaluations
(
    EvaluationId UUID,
    Attempt UInt16 DEFAULT 1,
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
    MetricDigest LowCardinality(String),
    Kind Enum8('judge' = 1, 'code' = 2, 'composite' = 3, 'sql' = 4, 'external' = 5, 'human' = 6),
    SourceClass LowCardinality(String) MATERIALIZED if(Kind = 'human', 'human', 'auto'),
    Purpose Enum8('online' = 1, 'ondemand' = 2, 'backfill' = 3, 'experiment' = 4, 'alignment' = 5, 'recompute' = 6),
    Status Enum8('success' = 1, 'failed' = 2, 'not_computed' = 3, 'not_applicable' = 4, 'retracted' = 5),
    ErrorCode LowCardinality(String),
    ErrorMessage String CODEC(ZSTD(1)),
    OutputType Enum8('boolean' = 1, 'categorical' = 2, 'percentage' = 3, 'count' = 4, 'discrete' = 5, 'multilabel' = 6, 'text' = 7, 'number' = 8),
    Value Nullable(Float64) CODEC(ZSTD(1)),
    Label LowCardinality(String),
    Labels Array(LowCardinality(String)),
    Text String CODEC(ZSTD(1)),
    Explanation String CODEC(ZSTD(1)),
    RuleId LowCardinality(String),
    RuleVersion UInt32,
    RunId String CODEC(ZSTD(1)),
    Trial UInt16,
    Annotator LowCardinality(String),
    Watermark DateTime64(3),
    InputDigest FixedString(16) CODEC(ZSTD(1)),
    InputsDigest FixedString(16) CODEC(ZSTD(1)),
    JudgeModel LowCardinality(String),
    JudgeTraceId String CODEC(ZSTD(1)),
    InputTokens UInt32 CODEC(T64, ZSTD(1)),
    OutputTokens UInt32 CODEC(T64, ZSTD(1)),
    CostUsd Float64 CODEC(ZSTD(1)),
    LatencyMs UInt32 CODEC(T64, ZSTD(1)),
    Metadata Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartedAt DateTime64(3) CODEC(Delta(8), ZSTD(1)),
    EvaluatedAt DateTime64(6) CODEC(Delta(8), ZSTD(1)),
    InsertedAt DateTime64(6) DEFAULT now64(6) CODEC(Delta(8), ZSTD(1)),
    INDEX idx_evaluation EvaluationId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_trace TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_session SessionId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_run RunId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_inserted InsertedAt TYPE minmax GRANULARITY 1,
    CONSTRAINT value_is_finite CHECK isNull(Value) OR isFinite(assumeNotNull(Value)),
    CONSTRAINT only_success_has_a_value CHECK Status = 'success' OR (isNull(Value) AND Label = '' AND empty(Labels) AND Text = '')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(TargetTime)
ORDER BY (MetricName, Level, toStartOfHour(TargetTime), TraceId, SpanId, SessionId, EvaluatedAt)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000
