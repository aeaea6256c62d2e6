-- Alignment: every judge and reflection call of a run, by key, so a resumed or retried run pays none twice.  Two workers racing may both insert: any of the answers serves.
-- TraceIds, SessionIds: targets that the question showed; with one of them the answer is erased.
CREATE TABLE IF NOT EXISTS alignment_calls
(
    RunId String,
    Key FixedString(32),
    Kind Enum8('judge' = 1, 'reflection' = 2),
    TraceIds Array(String) CODEC(ZSTD(1)),
    SessionIds Array(String) CODEC(ZSTD(1)),
    Response String CODEC(ZSTD(3)),
    Calls UInt32,
    InputTokens UInt32,
    OutputTokens UInt32,
    CostUsd Float64,
    CreatedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt) ORDER BY (RunId, Key) SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000
