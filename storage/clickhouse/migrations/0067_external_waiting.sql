-- Results of others whose target is not there yet (after a minute in memory; docs/external-results.md), for a day.
--  Subject    what has to arrive: 'trace:ID', 'session:ID', 'response:ID'; one row for each of Subjects.
--  Body       the statement, JSON; '' once it is Settled, which is a later row.
-- Sorted by what has to arrive: a look costs what arrived, however much waits.  By hours, so that what is over is found without reading what waits.
CREATE TABLE IF NOT EXISTS external_waiting
(
    Subject String CODEC(ZSTD(1)),
    Key String CODEC(ZSTD(1)),
    ArrivedAt DateTime64(3),
    TraceId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Subjects Array(String) CODEC(ZSTD(1)),
    Body String CODEC(ZSTD(1)),
    Settled UInt8,
    WrittenAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(WrittenAt) PARTITION BY toStartOfInterval(ArrivedAt, INTERVAL 6 HOUR) ORDER BY (Subject, Key)
TTL toDateTime(ArrivedAt) + INTERVAL 3 DAY
SETTINGS index_granularity = 512, ttl_only_drop_parts = 1
