-- All spans of some traces.  Always with their window of start times: it prunes days and granules.
-- One row per span, the copy that arrived first.
SELECT TraceId AS trace_id, SpanId AS span_id, ParentSpanId AS parent_span_id, SpanName AS name, SpanKind AS kind,
       ServiceName AS service_name, ScopeName AS scope_name, toUnixTimestamp64Nano(Timestamp) AS start_ns,
       Duration AS duration_ns, StatusCode AS status_code, StatusMessage AS status_message,
       SpanAttributes AS attributes, ResourceAttributes AS resource_attributes,
       arrayMap(x -> toUnixTimestamp64Nano(x), `Events.Timestamp`) AS event_times_ns, `Events.Name` AS event_names,
       `Events.Attributes` AS event_attributes, toUnixTimestamp64Milli(IngestedAt) AS ingested_ms
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64})
  AND TraceId IN {trace_ids:Array(String)}
ORDER BY TraceId, Timestamp, SpanId, IngestedAt
LIMIT 1 BY TraceId, SpanId
