CREATE MATERIALIZED VIEW IF NOT EXISTS trace_events_logs_mv TO trace_events DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT s.IngestedAt AS IngestedAt, s.TraceId AS TraceId, '' AS SessionId, toUInt32(0) AS Spans, toUInt32(0) AS Roots, toUInt32(count()) AS Logs, toDateTime64(0, 9) AS MinTime, toDateTime64(0, 9) AS MaxTime
FROM otel_logs AS s WHERE s.TraceId != '' AND s.EventName != 'gen_ai.evaluation.result' AND s.LogAttributes['event.name'] != 'gen_ai.evaluation.result' GROUP BY s.IngestedAt, s.TraceId
