-- Targets that a version put right once, and the first such version.
SELECT toString(Level) AS level, TraceId AS trace_id, SpanId AS span_id, SessionId AS session_id, min(MetricVersion) AS solved_in
FROM rechecked_rows FINAL
WHERE MetricName = {metric:String} AND Verdict = 'solved'
GROUP BY Level, TraceId, SpanId, SessionId
