-- Which traces make up a session.  Last arrival and counts are taken from the traces, because a late span often lacks the session id.
-- FirstIngested = first arrival of a row that carries the session id: it never moves back, whatever arrives later.
CREATE TABLE IF NOT EXISTS session_traces
(
    SessionId String CODEC(ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    FirstIngested SimpleAggregateFunction(min, DateTime64(3)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree PARTITION BY toStartOfWeek(FirstIngested) ORDER BY (SessionId, TraceId)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000
