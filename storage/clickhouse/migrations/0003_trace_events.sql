-- The arrival journal, ordered by arrival, so a poll reads only the tail.  One row per (IngestedAt, trace) of an insert, hence exact for any window.
-- Logs move the watermark like spans (Spans = 0); not our own result events, or a result would make its target new again.
-- MinTime / MaxTime: start times of the block's spans (0 for logs); they prune otel_traces, which is partitioned by start time, not by arrival.
CREATE TABLE IF NOT EXISTS trace_events
(
    IngestedAt DateTime64(3) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Spans UInt32,
    Roots UInt32,
    Logs UInt32,
    MinTime DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    MaxTime DateTime64(9) CODEC(Delta(8), ZSTD(1))
)
ENGINE = MergeTree PARTITION BY toDate(IngestedAt) ORDER BY IngestedAt
TTL toDateTime(IngestedAt) + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000
