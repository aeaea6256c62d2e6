-- Alignment: every judge and reflection call of a run, by key, so a resumed run pays none twice.  Two workers racing may both insert: any of the answers serves.
CREATE TABLE IF NOT EXISTS alignment_calls
(
    RunId String,
    Key FixedString(32),
    Kind Enum8('judge' = 1, 'reflection' = 2),
    Response String CODEC(ZSTD(3)),
    InputTokens UInt32,
    OutputTokens UInt32,
    CostUsd Float64,
    CreatedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt) ORDER BY (RunId, Key) SETTINGS index_granularity = 512
