-- Answers of judges.  Key = hash of (metric digest, model, parameters, digest of the inputs before fencing, repeat index).  A hit costs no budget.
-- InputDigest as in evaluations: `erase` finds the answers about a target by it.
CREATE TABLE IF NOT EXISTS judge_cache
(
    Key FixedString(32),
    InputDigest FixedString(16),
    Response String CODEC(ZSTD(3)),
    InputTokens UInt32,
    OutputTokens UInt32,
    CostUsd Float64,
    CreatedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt) ORDER BY Key TTL toDateTime(CreatedAt) + INTERVAL 30 DAY
SETTINGS index_granularity = 256
