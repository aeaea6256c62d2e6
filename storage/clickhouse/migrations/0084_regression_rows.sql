-- Rows that a version put right once, under that version and every later one: each of these has to get them right.
CREATE VIEW IF NOT EXISTS regression_rows AS
SELECT r.MetricName AS MetricName, r.MetricVersion AS MetricVersion, r.Level AS Level, r.TraceId AS TraceId, r.SpanId AS SpanId, r.SessionId AS SessionId,
       s.SolvedIn AS SolvedIn, r.Verdict AS Verdict, r.Verdict IN ('solved', 'kept') AS Passes, r.Expected AS Expected, r.Concluded AS Concluded,
       r.Explanation AS Explanation, r.CheckedAt AS CheckedAt
FROM (SELECT * FROM rechecked_rows FINAL) AS r
INNER JOIN (SELECT MetricName, Level, TraceId, SpanId, SessionId, min(x.MetricVersion) AS SolvedIn FROM rechecked_rows AS x FINAL WHERE Verdict = 'solved'
            GROUP BY MetricName, Level, TraceId, SpanId, SessionId) AS s
    ON r.MetricName = s.MetricName AND r.Level = s.Level AND r.TraceId = s.TraceId AND r.SpanId = s.SpanId AND r.SessionId = s.SessionId
WHERE r.MetricVersion >= s.SolvedIn
