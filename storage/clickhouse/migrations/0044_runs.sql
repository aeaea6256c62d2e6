-- Finite evaluations, written once.  RunId may be a UUIDv5 of the caller's request_id: the same request is the same run.
-- Selection, Metrics, Estimate, Config are JSON.  rule_day and ondemand_day are the sources of alignment that nobody started.
CREATE TABLE IF NOT EXISTS runs
(
    RunId String,
    Kind Enum8('batch' = 1, 'backfill' = 2, 'recompute' = 3, 'experiment' = 4, 'alignment' = 5, 'rule_day' = 6, 'ondemand_day' = 7, 'validation' = 8),
    Subject LowCardinality(String),
    Selection String CODEC(ZSTD(1)),
    Metrics Array(String),
    Estimate String CODEC(ZSTD(1)),
    Config String CODEC(ZSTD(1)),
    RetryOf String,
    Author LowCardinality(String),
    CreatedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(CreatedAt) ORDER BY RunId SETTINGS index_granularity = 512
