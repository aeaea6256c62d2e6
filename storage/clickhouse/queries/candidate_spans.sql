-- Spans of a page of traces that somebody wants.  A group is what many rules may have in common: rates (of the hash of the trace id, before any
-- limit), scope, filter (compiled from an allow-list, literals bound; `filters` counts from 1, each computed once for a span).
-- Watermark = arrival of the span's first copy, or of its last log.
SELECT s.trace_id AS trace_id, s.span_id AS span_id, s.start_ns AS start_ns, s.service_name AS service_name, s.span_name AS span_name,
       s.observation_kind AS observation_kind, s.wanted AS wanted, greatest(s.arrived_ms, l.log_ms) AS watermark_ms
FROM (
    SELECT TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Nano(Timestamp) AS start_ns, ServiceName AS service_name,
           SpanName AS span_name, ObservationKind AS observation_kind, toUnixTimestamp64Milli(IngestedAt) AS arrived_ms,
           /*groups*/ AS wanted
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64})
      AND TraceId IN {trace_ids:Array(String)} AND SpanId != ''
      AND cityHash64(TraceId, 'assay') % 1000000 < {most_ppm:UInt32}
      AND notEmpty(wanted)
    ORDER BY TraceId, SpanId, IngestedAt
    LIMIT 1 BY TraceId, SpanId
) AS s
LEFT JOIN (
    SELECT TraceId, SpanId, toUnixTimestamp64Milli(max(IngestedAt)) AS log_ms
    FROM otel_logs
    WHERE TraceId IN {log_trace_ids:Array(String)} AND SpanId != ''
      AND TimestampTime >= toDateTime({first_s:UInt32})
      AND EventName != 'gen_ai.evaluation.result' AND LogAttributes['event.name'] != 'gen_ai.evaluation.result'
    GROUP BY TraceId, SpanId
) AS l ON s.trace_id = l.TraceId AND s.span_id = l.SpanId
ORDER BY watermark_ms, trace_id, span_id
