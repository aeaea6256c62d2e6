CREATE MATERIALIZED VIEW IF NOT EXISTS trace_events_mv TO trace_events AS
SELECT s.IngestedAt AS IngestedAt, s.TraceId AS TraceId, max(s.SessionId) AS SessionId, toUInt32(count()) AS Spans, toUInt32(countIf(s.ParentSpanId = '')) AS Roots, toUInt32(0) AS Logs,
       min(s.Timestamp) AS MinTime, max(s.Timestamp) AS MaxTime
FROM otel_traces AS s WHERE s.TraceId != '' GROUP BY s.IngestedAt, s.TraceId
