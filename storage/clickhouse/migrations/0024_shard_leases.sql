-- 16 hash shards of the target space; a worker owns a shard while its lease lives.  Compare-and-set by UPDATE .. WHERE Epoch = seen.
-- Lease 20 s, renewed every 5 s (one UPDATE for all own shards).  Shard 0 of 'writeback' elects the one writer of otel_traces.
CREATE TABLE IF NOT EXISTS shard_leases
(
    Name LowCardinality(String),
    Shard UInt16,
    Owner String,
    Epoch UInt64,
    ExpiresAt DateTime64(3)
)
ENGINE = MergeTree ORDER BY (Name, Shard)
SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1
