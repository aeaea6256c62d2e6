-- The proof per batch: it was read back; what was not found may be staged again.  A batch without a row here was cut off: repeat step 2 and 3.
CREATE TABLE IF NOT EXISTS writeback_batches
(
    BatchId UInt64,
    Staged UInt32,
    Missing Array(Tuple(TraceId String, SpanId String)) CODEC(ZSTD(1)),
    VerifiedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = MergeTree PARTITION BY toDate(VerifiedAt) ORDER BY VerifiedAt
TTL toDateTime(VerifiedAt) + INTERVAL 7 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1
