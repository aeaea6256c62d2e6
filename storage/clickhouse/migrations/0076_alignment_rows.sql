-- What became of each feedback row: what was expected and recorded, and predictions before and after (one per repeat), as JSON.
-- Rows of one target have one RowId.  Those that were not used stand here too, with the reason.
CREATE TABLE IF NOT EXISTS alignment_rows
(
    RunId String,
    FeedbackId UUID,
    RowId String,
    Level Enum8('span' = 1, 'trace' = 2, 'session' = 3),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Split Enum8('train' = 1, 'validation' = 2, 'held_out' = 3, 'agreeing' = 4, 'excluded' = 5),
    Fold UInt8,
    Expected String CODEC(ZSTD(1)),
    Recorded String CODEC(ZSTD(1)),
    Before Array(String) CODEC(ZSTD(1)),
    After Array(String) CODEC(ZSTD(1)),
    Flip Enum8('none' = 0, 'fixed' = 1, 'broken' = 2),
    Reason String,
    CreatedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt) ORDER BY (RunId, FeedbackId) SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000
