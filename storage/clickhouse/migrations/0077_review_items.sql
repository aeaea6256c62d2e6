-- What stands in a review queue (definition: control_docs 'queue').  Claims: annotator -> reserved until, taken by ONE conditional UPDATE (review_claim) and read back.
-- Done and Skipped: annotators; the verdict itself is a row of feedback.  Items are taken up by (CreatedAt, Rank): Rank is the place in its filling.
-- ItemId is made of queue, metric and target.  Fillings take turns (lease 'review'), so that an item is one row.
CREATE TABLE IF NOT EXISTS review_items
(
    Queue LowCardinality(String),
    ItemId UUID,
    MetricName LowCardinality(String),
    Level Enum8('span' = 1, 'trace' = 2, 'session' = 3),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    EvaluationId UUID,
    Source LowCardinality(String),
    Rank UInt32,
    Claims Map(String, DateTime64(3)),
    Skipped Array(String),
    Done Array(String),
    CreatedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = MergeTree ORDER BY (Queue, ItemId)
SETTINGS index_granularity = 256, enable_block_number_column = 1, enable_block_offset_column = 1, non_replicated_deduplication_window = 1000
