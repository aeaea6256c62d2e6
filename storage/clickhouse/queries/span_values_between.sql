-- What an expression says of every span of a window, each once (the copy that arrived first), as `span_values`.
SELECT TraceId AS trace_id, SpanId AS span_id, CAST((/*expression*/) AS Nullable(Float64)) AS value
FROM spans
WHERE Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until_ns:Int64})
ORDER BY IngestedAt
LIMIT 1 BY TraceId, SpanId
