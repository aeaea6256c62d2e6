-- Of each of these traces how many spans others name as their parents that are not stored; no row = the trace is whole, as far as one can see.
SELECT TraceId AS trace_id, uniqExact(ParentSpanId) AS parents
FROM otel_traces
WHERE TraceId IN {trace_ids:Array(String)} AND ParentSpanId != ''
  AND Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64})
  AND (TraceId, ParentSpanId) NOT IN (
      SELECT TraceId, SpanId FROM otel_traces
      WHERE TraceId IN {trace_ids:Array(String)}
        AND Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64}))
GROUP BY TraceId
