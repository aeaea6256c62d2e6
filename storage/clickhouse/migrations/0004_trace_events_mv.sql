-- SQL SECURITY DEFINER, here and in the other materialized views: a writer of its own user (a Collector) needs INSERT on otel_traces and
-- otel_logs and nothing else; without it its rows are stored and then fail in the views.
CREATE MATERIALIZED VIEW IF NOT EXISTS trace_events_mv TO trace_events DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT s.IngestedAt AS IngestedAt, s.TraceId AS TraceId, max(s.SessionId) AS SessionId, toUInt32(count()) AS Spans, toUInt32(countIf(s.ParentSpanId = '')) AS Roots, toUInt32(0) AS Logs,
       min(s.Timestamp) AS MinTime, max(s.Timestamp) AS MaxTime
FROM otel_traces AS s WHERE s.TraceId != '' GROUP BY s.IngestedAt, s.TraceId
