-- One row per finished erasure: the proof, without what was erased.
--  Target   keyed digest of what was asked for (the key is in the installation's data directory): who knows both the id and the key can say whether it was erased.
--  Traces   sipHash128 of the ids of the traces that went.  They were random, so nothing can be guessed from them; what arrives under them later is found by them.
--  Removed  rows per table, changed ones included.
CREATE TABLE IF NOT EXISTS erasures
(
    ErasureId UUID DEFAULT generateUUIDv4(),
    Kind Enum8('trace' = 1, 'session' = 2, 'user' = 3),
    Target FixedString(16),
    Traces Array(FixedString(16)) CODEC(ZSTD(1)),
    Removed Map(LowCardinality(String), UInt64),
    Author LowCardinality(String),
    StartedAt DateTime64(3),
    FinishedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = MergeTree ORDER BY FinishedAt
