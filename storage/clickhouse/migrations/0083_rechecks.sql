-- How far people's verdicts are checked against a version of a judge; the newest row counts.  Counts: rows by verdict, and those that were set to needs_reconfirm or excluded.
CREATE TABLE IF NOT EXISTS rechecks
(
    MetricName LowCardinality(String),
    MetricVersion UInt32,
    State Enum8('running' = 1, 'over_budget' = 2, 'done' = 3),
    Counts Map(LowCardinality(String), UInt64),
    Reason String CODEC(ZSTD(1)),
    At DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(At) ORDER BY (MetricName, MetricVersion) SETTINGS index_granularity = 512
