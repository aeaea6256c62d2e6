-- Explicit ends of traces and sessions: MarkComplete, or the attributes assay.trace.end / assay.session.end on any span.  An end counts
-- where nothing arrived after it; what arrives later gets the usual time of quiet again.
CREATE TABLE IF NOT EXISTS completions
(
    Level Enum8('trace' = 2, 'session' = 3),
    TargetId String CODEC(ZSTD(1)),
    EndedAt DateTime64(3) DEFAULT now64(3) CODEC(Delta(8), ZSTD(1)),
    Source LowCardinality(String),
    INDEX idx_target TargetId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY toDate(EndedAt) ORDER BY (Level, EndedAt)
TTL toDateTime(EndedAt) + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000
