-- Append-only: state and phase changes, progress (totals so far), checkpoints, wishes to cancel, resolution of an alignment.
CREATE TABLE IF NOT EXISTS run_events
(
    RunId String,
    Event Enum8('state' = 1, 'progress' = 2, 'checkpoint' = 3, 'cancel_requested' = 4, 'resolution' = 5),
    State LowCardinality(String),
    Phase LowCardinality(String),
    Done UInt64,
    Total UInt64,
    Usage Map(LowCardinality(String), Float64),
    Detail String CODEC(ZSTD(1)),
    Worker LowCardinality(String),
    At DateTime64(6) DEFAULT now64(6)
)
ENGINE = MergeTree ORDER BY (RunId, At) SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000
