-- A page of a run's spans, in order of (start, trace, span), strictly after the last row of the page before.
-- The caller keeps the window [after, until) narrow: what lies outside is pruned by day, and the rest is read whole.
SELECT TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Nano(Timestamp) AS start_ns, toString(ObservationKind) AS observation_kind
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({after_ns:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until_ns:Int64})
  AND (Timestamp, TraceId, SpanId) > (fromUnixTimestamp64Nano({after_ns:Int64}), {after_id:String}, {after_span_id:String})
  AND IngestedAt <= fromUnixTimestamp64Milli({arrived_ms:Int64})
  AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]') AND match(SpanId, '^[0-9a-f]{16}$') AND match(SpanId, '[1-9a-f]')
  AND cityHash64(TraceId, 'assay') % 1000000 < {sample_ppm:UInt32}
  AND (/*filter*/)
ORDER BY Timestamp, TraceId, SpanId
LIMIT 1 BY TraceId, SpanId
LIMIT {max_rows:UInt32}
