-- Append-only: every turn of an alert.  The newest row of an alert is its state.
--  Since      when its condition began to hold, the same for the turns pending, firing and resolved of one episode.
--  Value      what was measured; Bound: what it was compared with; Samples: of how many results (traces, where it is a mean).
CREATE TABLE IF NOT EXISTS alert_events
(
    AlertId LowCardinality(String),
    AlertVersion UInt32,
    State Enum8('ok' = 1, 'pending' = 2, 'firing' = 3, 'resolved' = 4),
    Since DateTime64(6),
    Value Nullable(Float64),
    Bound Nullable(Float64),
    Samples UInt64,
    Reason String CODEC(ZSTD(1)),
    At DateTime64(6) DEFAULT now64(6)
)
ENGINE = MergeTree ORDER BY (AlertId, At)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000
