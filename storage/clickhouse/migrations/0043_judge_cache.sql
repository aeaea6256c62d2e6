-- Answers of judges.  Key = digest of the question before fencing: metric, model, parameters, inputs, repeat index.  A hit costs no budget.
-- TraceId, SessionId: what the answer was given about (a trace or its span, or a session), for `erase`.
CREATE TABLE IF NOT EXISTS judge_cache
(
    Key FixedString(32),
    TraceId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Response String CODEC(ZSTD(3)),
    CreatedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt) ORDER BY Key TTL toDateTime(CreatedAt) + INTERVAL 30 DAY
SETTINGS index_granularity = 256
