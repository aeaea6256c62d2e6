-- What became of each feedback row: predictions before and after (one per repeat), as text.
CREATE TABLE IF NOT EXISTS alignment_rows
(
    RunId String,
    FeedbackId UUID,
    Split Enum8('train' = 1, 'validation' = 2, 'held_out' = 3, 'agreeing' = 4, 'excluded' = 5),
    Fold UInt8,
    Before Array(String) CODEC(ZSTD(1)),
    After Array(String) CODEC(ZSTD(1)),
    Flip Enum8('none' = 0, 'fixed' = 1, 'broken' = 2),
    Reason String,
    CreatedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt) ORDER BY (RunId, FeedbackId) SETTINGS index_granularity = 512
