-- Always read through GROUP BY TraceId (view `traces`): rows of one trace may sit unmerged, or in two partitions.
--  Root       the earliest span without a parent: (Timestamp, SpanId, ServiceName, SpanName) as ONE value, so two roots cannot be mixed; year 2262 = none.
--  LocalRoot  the earliest span of all: the anchor of a trace whose root never comes.  Exact would be "the earliest span whose parent is not in the trace",
--             which no insert block can know; the two differ only when clocks of services disagree.
--  *Reported  sums of what model calls report, duplicates not removed.  Agent spans repeat the totals of their children and are not counted.
-- Partitioned by arrival, not by the senders' clocks.
CREATE TABLE IF NOT EXISTS traces_rollup
(
    TraceId String CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime64(9)) CODEC(ZSTD(1)),
    LastStart SimpleAggregateFunction(max, DateTime64(9)) CODEC(ZSTD(1)),
    End SimpleAggregateFunction(max, DateTime64(9)) CODEC(ZSTD(1)),
    FirstIngested SimpleAggregateFunction(min, DateTime64(3)) CODEC(ZSTD(1)),
    LastIngested SimpleAggregateFunction(max, DateTime64(3)) CODEC(ZSTD(1)),
    Spans SimpleAggregateFunction(sum, UInt64),
    Roots SimpleAggregateFunction(sum, UInt64),
    Logs SimpleAggregateFunction(sum, UInt64),
    ErrorSpans SimpleAggregateFunction(sum, UInt64),
    LlmSpansReported SimpleAggregateFunction(sum, UInt64),
    InputTokensReported SimpleAggregateFunction(sum, UInt64),
    OutputTokensReported SimpleAggregateFunction(sum, UInt64),
    CostUsdReported SimpleAggregateFunction(sum, Float64),
    Root SimpleAggregateFunction(min, Tuple(DateTime64(9), String, String, String)) CODEC(ZSTD(1)),
    LocalRoot SimpleAggregateFunction(min, Tuple(DateTime64(9), String, String, String)) CODEC(ZSTD(1)),
    ServiceNames SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    Environment SimpleAggregateFunction(max, LowCardinality(String)),
    SessionId SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    UserId SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    INDEX idx_session SessionId TYPE bloom_filter(0.001) GRANULARITY 4
)
ENGINE = AggregatingMergeTree PARTITION BY toStartOfWeek(FirstIngested) ORDER BY TraceId
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000
