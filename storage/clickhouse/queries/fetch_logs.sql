-- Log records of some traces; results that come back as events are no content.
SELECT TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Nano(Timestamp) AS time_ns, EventName AS event_name, Body AS body,
       LogAttributes AS attributes, toUnixTimestamp64Milli(IngestedAt) AS ingested_ms
FROM otel_logs
WHERE TraceId IN {trace_ids:Array(String)}
  AND TimestampTime >= toDateTime(fromUnixTimestamp64Nano({first_ns:Int64})) - 3600
  AND TimestampTime <= toDateTime(fromUnixTimestamp64Nano({last_ns:Int64})) + 3600
  AND EventName != 'gen_ai.evaluation.result' AND LogAttributes['event.name'] != 'gen_ai.evaluation.result'
ORDER BY TraceId, Timestamp, SpanId
