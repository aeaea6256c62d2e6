-- What an expression says of spans, each once (the copy that arrived first).  Asked with the rights of a user that reads
-- this view only; the expression is compiled from an allow-list, its literals bound.
SELECT TraceId AS trace_id, SpanId AS span_id, (/*expression*/) AS value
FROM spans
WHERE TraceId IN {trace_ids:Array(String)} AND SpanId IN {span_ids:Array(String)}
  AND Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64})
ORDER BY IngestedAt
LIMIT 1 BY TraceId, SpanId
