-- Targets with resolved feedback for a metric, what is expected, and what the judge had concluded when somebody spoke last.
SELECT toString(r.Level) AS level, r.TraceId AS trace_id, r.SpanId AS span_id, r.SessionId AS session_id,
       (r.ExpectedValue, toString(r.ExpectedLabel), arrayMap(l -> toString(l), r.ExpectedLabels), r.ExpectedText) AS expected,
       f.Judged AS recorded
FROM (SELECT * FROM resolutions FINAL WHERE MetricName = {metric:String} AND Status = 'resolved') AS r
LEFT JOIN (
    SELECT Level, TraceId, SpanId, SessionId,
           argMax((JudgeValue, toString(JudgeLabel), arrayMap(l -> toString(l), JudgeLabels), JudgeText), CreatedAt) AS Judged
    FROM feedback WHERE MetricName = {metric:String} AND Status = 'submitted'
    GROUP BY Level, TraceId, SpanId, SessionId
) AS f ON r.Level = f.Level AND r.TraceId = f.TraceId AND r.SpanId = f.SpanId AND r.SessionId = f.SessionId
ORDER BY r.Level, r.TraceId, r.SpanId, r.SessionId
