-- Where others state results, by arrival in (since, until]: events in logs and spans, annotations in attributes of spans, cases of an
-- evaluation library.  Only what bears on results is read whole, each value cut.  A sum of arrivals, not of what is stored.
SELECT form, ingested_ms, time_ns, trace_id, span_id, session_id, service,
       mapApply((k, v) -> (k, substringUTF8(v, 1, if(form = 'case', 1000000, {max_characters:UInt32}))), attributes) AS attributes
FROM (
    SELECT 'event' AS form, toUnixTimestamp64Milli(IngestedAt) AS ingested_ms, toUnixTimestamp64Nano(Timestamp) AS time_ns, TraceId AS trace_id, SpanId AS span_id,
           if(LogAttributes['session.id'] != '', LogAttributes['session.id'], LogAttributes['gen_ai.conversation.id']) AS session_id, toString(ServiceName) AS service,
           mapFilter((k, v) -> startsWith(k, 'gen_ai.') OR startsWith(k, 'assay.') OR k IN ('error.type', 'openlit.score.idempotency_key'), CAST(LogAttributes, 'Map(String, String)')) AS attributes
    FROM otel_logs
    WHERE IngestedAt > fromUnixTimestamp64Milli({since_ms:Int64}) AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
      AND (EventName = 'gen_ai.evaluation.result' OR LogAttributes['event.name'] = 'gen_ai.evaluation.result')
    UNION ALL
    SELECT 'event', toUnixTimestamp64Milli(IngestedAt), toUnixTimestamp64Nano(said_at), TraceId, SpanId, SessionId, toString(ServiceName),
           mapFilter((k, v) -> startsWith(k, 'gen_ai.') OR startsWith(k, 'assay.') OR k IN ('error.type', 'openlit.score.idempotency_key'), CAST(said, 'Map(String, String)'))
    FROM otel_traces ARRAY JOIN Events.Timestamp AS said_at, Events.Name AS said_as, Events.Attributes AS said
    WHERE IngestedAt > fromUnixTimestamp64Milli({since_ms:Int64}) AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
      AND has(Events.Name, 'gen_ai.evaluation.result') AND said_as = 'gen_ai.evaluation.result'
    UNION ALL
    SELECT 'annotations', toUnixTimestamp64Milli(IngestedAt), toUnixTimestamp64Nano(Timestamp) + toInt64(Duration), TraceId, SpanId, SessionId, toString(ServiceName),
           mapFilter((k, v) -> match(k, '^(trace\\.|session\\.)?(evaluations|annotations)\\.[0-9]'), CAST(SpanAttributes, 'Map(String, String)'))
    FROM otel_traces
    WHERE IngestedAt > fromUnixTimestamp64Milli({since_ms:Int64}) AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
      AND arrayExists(k -> position(k, '.evaluation.') > 0 OR position(k, '.annotation.') > 0, SpanAttributes.keys)  -- the keys alone are read
    UNION ALL
    SELECT 'case', toUnixTimestamp64Milli(IngestedAt), toUnixTimestamp64Nano(Timestamp) + toInt64(Duration), TraceId, SpanId, SessionId, toString(ServiceName),
           mapFilter((k, v) -> k IN ('scores', 'labels', 'assertions'), CAST(SpanAttributes, 'Map(String, String)'))
    FROM otel_traces
    WHERE IngestedAt > fromUnixTimestamp64Milli({since_ms:Int64}) AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
      AND ScopeName = 'pydantic-evals' AND startsWith(SpanName, 'case: ')
)
ORDER BY ingested_ms
LIMIT {max_rows:UInt32} WITH TIES
