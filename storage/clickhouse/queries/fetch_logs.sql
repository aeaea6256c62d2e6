-- Log records of some traces; results that come back as events are no content.
SELECT TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Nano(Timestamp) AS time_ns, toValidUTF8(EventName) AS event_name, toValidUTF8(Body) AS body,
       arrayMap(x -> toValidUTF8(x), mapKeys(LogAttributes)) AS keys, arrayMap(x -> toValidUTF8(x), mapValues(LogAttributes)) AS texts,
       toUnixTimestamp64Milli(IngestedAt) AS ingested_ms
FROM otel_logs
WHERE TraceId IN {trace_ids:Array(String)}
  AND TimestampTime >= toDateTime({first_s:UInt32}) AND TimestampTime <= toDateTime({last_s:UInt32})
  AND EventName != 'gen_ai.evaluation.result' AND LogAttributes['event.name'] != 'gen_ai.evaluation.result'
ORDER BY TraceId, Timestamp, SpanId
