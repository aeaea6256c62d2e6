-- Of each row what the highest version says that has one, of versions between two; and the version that put it right first.
SELECT toString(Level) AS level, TraceId AS trace_id, SpanId AS span_id, SessionId AS session_id,
       maxIf(MetricVersion, MetricVersion >= {lowest:UInt32}) AS version, argMax(toString(x.Verdict), x.MetricVersion) AS verdict,
       argMax(x.Expected, x.MetricVersion) AS expected, argMax(x.Concluded, x.MetricVersion) AS concluded,
       argMax(x.Explanation, x.MetricVersion) AS explanation, minIf(x.MetricVersion, x.Verdict = 'solved') AS solved_in
FROM rechecked_rows AS x FINAL
WHERE MetricName = {metric:String} AND MetricVersion <= {highest:UInt32}
GROUP BY Level, TraceId, SpanId, SessionId
HAVING version > 0
ORDER BY level, trace_id, span_id, session_id
