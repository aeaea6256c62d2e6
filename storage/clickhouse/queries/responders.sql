-- Spans that report the id of a completion, by the convention's key or a dialect's that ends like it; first arrival of each.
SELECT TraceId AS trace_id, SpanId AS span_id, toString(ObservationKind) AS kind, toUnixTimestamp64Nano(Timestamp) AS start_ns,
       arrayFirst((v, k) -> endsWith(k, 'response.id') AND has({response_ids:Array(String)}, v), mapValues(SpanAttributes), mapKeys(SpanAttributes)) AS response_id
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64})
  AND (empty({trace_ids:Array(String)}) OR TraceId IN {trace_ids:Array(String)})
  AND hasAny(mapValues(SpanAttributes), {response_ids:Array(String)})
  AND arrayExists((v, k) -> endsWith(k, 'response.id') AND has({response_ids:Array(String)}, v), mapValues(SpanAttributes), mapKeys(SpanAttributes))
ORDER BY trace_id, span_id, IngestedAt
LIMIT 1 BY trace_id, span_id
