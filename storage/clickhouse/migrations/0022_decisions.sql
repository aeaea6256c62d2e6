-- Why a target was, or was not, scored, per rule and metric.  The anti-join of every candidate query.
-- 'sampled_out' and 'filtered' are NOT stored: both can be recomputed exactly.
--  started     written before the work; counts only while its Worker (owner of a live 'score' lease) lives: the work of a dead worker comes back (query abandoned).
--  waiting     for a required metric, external or human result (Reason names it) until NextAttemptAt.
--  over_budget final (a backfill may take it up); rate_limited and failed come back at NextAttemptAt, 0 = never.
--  poisoned    it killed its worker too often.  cancelled: its run or rule was stopped.
--  too_large, no_content stand beside a result 'not_applicable', dependency_failed beside 'failed': the ledger says why, `evaluations` what came of it.
--  Targets of a run are here too, with RuleId = 'run:<RunId>'; a run belongs to the owner of 'score' shard cityHash64(RunId) % 16.
-- The cursor is moved only after the candidates' 'started' rows are in.
-- Sorted by hour of the watermark before the target: a poll reads the last hours of its rules, not their whole history.
CREATE TABLE IF NOT EXISTS decisions
(
    RuleId LowCardinality(String),
    RuleVersion UInt32,
    MetricName LowCardinality(String),
    Level Enum8('span' = 1, 'trace' = 2, 'session' = 3),
    TargetId String CODEC(ZSTD(1)),
    Watermark DateTime64(3),
    Decision Enum8('scored' = 1, 'failed' = 2, 'not_computed' = 3, 'not_applicable' = 4, 'over_budget' = 5, 'rate_limited' = 6, 'too_large' = 7, 'no_content' = 8, 'too_late' = 9, 'dependency_failed' = 10,
                   'started' = 11, 'waiting' = 12, 'poisoned' = 13, 'cancelled' = 14),
    Reason String CODEC(ZSTD(1)),
    Attempt UInt16,
    NextAttemptAt DateTime64(3),
    Worker LowCardinality(String),
    DecidedAt DateTime64(6) DEFAULT now64(6),
    INDEX idx_target TargetId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(DecidedAt) PARTITION BY toYYYYMM(Watermark) ORDER BY (RuleId, MetricName, Level, toStartOfHour(Watermark), TargetId, Watermark)
TTL toDateTime(DecidedAt) + INTERVAL 90 DAY
SETTINGS index_granularity = 1024
