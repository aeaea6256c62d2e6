-- One exchange with judges, by start.
SELECT TraceId AS trace_id, SpanId AS span_id, ParentSpanId AS parent_span_id, toString(SpanName) AS name, toString(SpanKind) AS kind,
       toString(ServiceName) AS service_name, ScopeName AS scope_name, toUnixTimestamp64Nano(Timestamp) AS start_ns, Duration AS duration_ns,
       toString(StatusCode) AS status_code, StatusMessage AS status_message, CAST(SpanAttributes, 'Map(String, String)') AS attributes,
       CAST(ResourceAttributes, 'Map(String, String)') AS resource_attributes, toUnixTimestamp64Milli(IngestedAt) AS ingested_ms
FROM judge_traces
WHERE TraceId = {trace_id:String}
ORDER BY Timestamp, ParentSpanId != '', SpanId
LIMIT 1 BY SpanId
