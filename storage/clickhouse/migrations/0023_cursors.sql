-- How far a shard has looked.  A cursor may be stale or lost: the anti-join makes re-reading harmless.
CREATE TABLE IF NOT EXISTS cursors
(
    Name LowCardinality(String),
    Shard UInt16,
    Cursor DateTime64(3),
    UpdatedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt) ORDER BY (Name, Shard)
