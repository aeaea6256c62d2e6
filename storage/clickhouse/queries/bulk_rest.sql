-- Spans of a window that a run is about, and that have no result of it: into its ledger, for the usual way.
INSERT INTO decisions (RuleId, MetricName, Level, TargetId, Watermark, Decision, Attempt)
SELECT {ledger:String}, {metric:String}, 'span', concat(TraceId, ':', SpanId), IngestedAt, 'waiting', 1
FROM (
    SELECT TraceId, SpanId, Timestamp, ServiceName, SpanName, IngestedAt
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until_ns:Int64})
      AND IngestedAt <= fromUnixTimestamp64Milli({arrived_ms:Int64})
      AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]') AND match(SpanId, '^[0-9a-f]{16}$') AND match(SpanId, '[1-9a-f]')
      AND cityHash64(TraceId, 'assay') % 1000000 < {sample_ppm:UInt32}
      AND (empty({kinds:Array(String)}) OR ObservationKind = '' OR ObservationKind IN {kinds:Array(String)})
      AND (/*filter*/)
    ORDER BY IngestedAt
    LIMIT 1 BY TraceId, SpanId
)
WHERE (TraceId, SpanId) NOT IN (
    SELECT TraceId, SpanId FROM evaluations
    WHERE MetricName = {metric:String} AND Level = 'span' AND RunId = {run_id:String}
      AND toStartOfHour(TargetTime) >= toStartOfHour(fromUnixTimestamp64Nano({since_ns:Int64})) AND toStartOfHour(TargetTime) <= toStartOfHour(fromUnixTimestamp64Nano({until_ns:Int64}))
      AND TargetTime >= fromUnixTimestamp64Nano({since_ns:Int64}) AND TargetTime < fromUnixTimestamp64Nano({until_ns:Int64})
)
