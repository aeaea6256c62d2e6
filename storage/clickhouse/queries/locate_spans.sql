-- Where spans stand, by id.  Without a time hint the bloom filter on TraceId finds them; a hint prunes to two days.
-- Watermark = arrival of the first copy, or of the span's last log.
SELECT t.TraceId AS trace_id, t.SpanId AS span_id, toUnixTimestamp64Nano(argMin(t.Timestamp, t.IngestedAt)) AS start_ns,
       argMin(t.ServiceName, t.IngestedAt) AS service_name, argMin(t.SpanName, t.IngestedAt) AS span_name, argMin(t.ObservationKind, t.IngestedAt) AS observation_kind,
       greatest(toUnixTimestamp64Milli(min(t.IngestedAt)), any(l.log_ms)) AS watermark_ms
FROM otel_traces AS t
LEFT JOIN (
    SELECT TraceId, SpanId, toUnixTimestamp64Milli(max(IngestedAt)) AS log_ms
    FROM otel_logs
    WHERE TraceId IN {trace_ids:Array(String)} AND SpanId != ''
      AND EventName != 'gen_ai.evaluation.result' AND LogAttributes['event.name'] != 'gen_ai.evaluation.result'
    GROUP BY TraceId, SpanId
) AS l ON t.TraceId = l.TraceId AND t.SpanId = l.SpanId
WHERE t.TraceId IN {trace_ids:Array(String)} AND t.SpanId IN {span_ids:Array(String)}
  AND t.Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND t.Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64})
GROUP BY t.TraceId, t.SpanId
