-- What actions of rules and alerts send out, one delivery per result (or turn of an alert) and action.
--  DeliveryId   the same for every attempt: a receiver that knows it already has seen the message.
--  Version      0 when it was queued, then one more with each attempt: a delivery that is queued again after a crash never hides what came of it.
--  CreatedAt    when the result was stored, or the alert turned.  GiveUpAt: no attempt later than this, but each is tried once.
--  Body         the message, JSON; every attempt sends these bytes.
-- Read with FINAL.  Sorted by hour first, so that a look for what is pending, which is young, reads the last hours (idx_give_up).
CREATE TABLE IF NOT EXISTS action_deliveries
(
    DeliveryId UUID,
    Source Enum8('rule' = 1, 'alert' = 2),
    Owner LowCardinality(String),
    Action LowCardinality(String),
    Kind LowCardinality(String),
    EvaluationId UUID,
    TraceId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Body String CODEC(ZSTD(1)),
    State Enum8('pending' = 1, 'delivered' = 2, 'gave_up' = 3, 'cancelled' = 4),
    Attempts UInt16,
    NextAttemptAt DateTime64(3),
    GiveUpAt DateTime64(3),
    LastError String CODEC(ZSTD(1)),
    CreatedAt DateTime64(6) CODEC(Delta(8), ZSTD(1)),
    UpdatedAt DateTime64(6) DEFAULT now64(6) CODEC(Delta(8), ZSTD(1)),
    Version UInt32,
    INDEX idx_delivery DeliveryId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_trace TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_give_up GiveUpAt TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(Version) PARTITION BY toYYYYMM(CreatedAt)
ORDER BY (toStartOfHour(CreatedAt), Source, Owner, Action, DeliveryId)
SETTINGS index_granularity = 1024
