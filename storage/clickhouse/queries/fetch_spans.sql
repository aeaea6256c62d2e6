-- All spans of some traces.  Always with their window of start times: it prunes days and granules.
-- One row per span, the copy that arrived first.  Maps travel as two arrays: a map may hold a key twice, and the first counts, as in
-- SpanAttributes['key'].  Text is stored as it was sent and read as UTF-8, what is not becomes U+FFFD.
SELECT TraceId AS trace_id, SpanId AS span_id, ParentSpanId AS parent_span_id, toValidUTF8(SpanName) AS name, SpanKind AS kind,
       toValidUTF8(ServiceName) AS service_name, toValidUTF8(ScopeName) AS scope_name, toUnixTimestamp64Nano(Timestamp) AS start_ns,
       Duration AS duration_ns, StatusCode AS status_code, toValidUTF8(StatusMessage) AS status_message,
       arrayMap(x -> toValidUTF8(x), mapKeys(SpanAttributes)) AS keys, arrayMap(x -> toValidUTF8(x), mapValues(SpanAttributes)) AS texts,
       arrayMap(x -> toValidUTF8(x), mapKeys(ResourceAttributes)) AS resource_keys,
       arrayMap(x -> toValidUTF8(x), mapValues(ResourceAttributes)) AS resource_texts,
       arrayMap(x -> toUnixTimestamp64Nano(x), `Events.Timestamp`) AS event_times_ns,
       arrayMap(x -> toValidUTF8(x), `Events.Name`) AS event_names,
       arrayMap(m -> arrayMap(x -> toValidUTF8(x), mapKeys(m)), `Events.Attributes`) AS event_keys,
       arrayMap(m -> arrayMap(x -> toValidUTF8(x), mapValues(m)), `Events.Attributes`) AS event_texts,
       toUnixTimestamp64Milli(IngestedAt) AS ingested_ms
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64})
  AND TraceId IN {trace_ids:Array(String)}
ORDER BY TraceId, Timestamp, SpanId, IngestedAt
LIMIT 1 BY TraceId, SpanId
