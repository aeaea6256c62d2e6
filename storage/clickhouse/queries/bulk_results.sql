-- Results of one SQL metric on the spans of a window, from `computed` (trace_id, span_id, value), which the user who may read nothing else
-- has computed.  The id is Python's `result_id`: UUIDv5 of the same text.  What is not a plain success or "no value" is left out:
-- another query puts that into the ledger, and Python says what is wrong with it.
INSERT INTO evaluations (EvaluationId, Attempt, Level, TraceId, SpanId, TargetTime, StartTime, ServiceName, SpanName, AnchorTraceId, AnchorSpanId, AnchorTime,
    MetricName, MetricVersion, MetricDigest, Kind, Purpose, Status, OutputType, Value, Label, Explanation, RunId, Watermark, Metadata, StartedAt, EvaluatedAt)
WITH SHA1(concat(unhex({namespace:String}), {before:String}, TraceId, ':', SpanId, '\x1f', toString(toUnixTimestamp64Milli(Seen)), '\x1f0')) AS sha,
     reinterpretAsUInt64(reverse(substring(sha, 1, 8))) AS high, reinterpretAsUInt64(reverse(substring(sha, 9, 8))) AS low,
     reinterpretAsUUID(bitOr(bitShiftLeft(toUInt128(bitOr(bitAnd(low, 0x3fffffffffffffff), 0x8000000000000000)), 64),
                             toUInt128(bitOr(bitAnd(high, 0xffffffffffff0fff), 0x5000)))) AS id
SELECT id, 1, 'span', TraceId, SpanId, Timestamp, Timestamp, ServiceName, SpanName, TraceId, SpanId, Timestamp,
       {metric:String}, {version:UInt32}, {digest:String}, 'sql', {purpose:String}, if(isNull(value), 'not_applicable', 'success'), {output_type:String}, value,
       if({boolean:Bool} AND isNotNull(value), if(value = 1, 'true', 'false'), ''), if(isNull(value), {no_value:String}, ''), {run_id:String}, Seen,
       mapFilter((k, v) -> v != '', map('passed', multiIf(isNull(value), '', {judged:Int8} = 0, '', (value - reinterpretAsFloat64({threshold_bits:UInt64})) * {judged:Int8} >= 0, 'true', 'false'))), now64(3), now64(6)
FROM (
    SELECT s.TraceId AS TraceId, s.SpanId AS SpanId, s.Timestamp AS Timestamp, s.ServiceName AS ServiceName, s.SpanName AS SpanName, v.value AS value,
           greatest(s.IngestedAt, l.Logged) AS Seen
    FROM (
        SELECT TraceId, SpanId, Timestamp, ServiceName, SpanName, IngestedAt
        FROM otel_traces
        WHERE Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until_ns:Int64})
          AND IngestedAt <= fromUnixTimestamp64Milli({arrived_ms:Int64})
          AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]') AND match(SpanId, '^[0-9a-f]{16}$') AND match(SpanId, '[1-9a-f]')
          AND cityHash64(TraceId, 'assay') % 1000000 < {sample_ppm:UInt32}
          AND (empty({kinds:Array(String)}) OR ObservationKind IN {kinds:Array(String)})
          AND (/*filter*/)
        ORDER BY IngestedAt
        LIMIT 1 BY TraceId, SpanId
    ) AS s
    INNER JOIN computed AS v ON s.TraceId = v.trace_id AND s.SpanId = v.span_id
    LEFT JOIN (
        SELECT TraceId, SpanId, max(IngestedAt) AS Logged
        FROM otel_logs
        WHERE SpanId != '' AND TimestampTime >= toDateTime(toUInt32(greatest(intDiv({since_ns:Int64}, 1000000000) - 3600, 0)))
          AND TimestampTime <= toDateTime(toUInt32(least(intDiv({until_ns:Int64}, 1000000000) + 3600, 4294967295)))
          AND EventName != 'gen_ai.evaluation.result' AND LogAttributes['event.name'] != 'gen_ai.evaluation.result'
        GROUP BY TraceId, SpanId
    ) AS l ON s.TraceId = l.TraceId AND s.SpanId = l.SpanId
)
WHERE (isNull(value) OR (isFinite(value) AND value >= reinterpretAsFloat64({lowest_bits:UInt64}) AND value <= reinterpretAsFloat64({highest_bits:UInt64}) AND (NOT {whole:Bool} OR value = floor(value))))
  AND (NOT {again:Bool} OR id NOT IN (
      SELECT EvaluationId FROM evaluations WHERE MetricName = {metric:String} AND Level = 'span' AND RunId = {run_id:String}
        AND toStartOfHour(TargetTime) >= toStartOfHour(fromUnixTimestamp64Nano({since_ns:Int64})) AND toStartOfHour(TargetTime) <= toStartOfHour(fromUnixTimestamp64Nano({until_ns:Int64}))))
