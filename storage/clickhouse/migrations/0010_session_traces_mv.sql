CREATE MATERIALIZED VIEW IF NOT EXISTS session_traces_mv TO session_traces DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT s.SessionId AS SessionId, s.TraceId AS TraceId, min(s.IngestedAt) AS FirstIngested
FROM otel_traces AS s WHERE s.SessionId != '' AND s.TraceId != '' GROUP BY s.SessionId, s.TraceId
