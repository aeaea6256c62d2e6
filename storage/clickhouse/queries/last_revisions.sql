-- The last revision of some targets, by key; no row = nothing came after it first did.  A span's is when its last log came, a trace's and a
-- session's when anything did.
SELECT 'trace' AS level, TraceId AS key, toUnixTimestamp64Milli(max(x.LastIngested)) AS revision_ms
FROM traces_rollup AS x WHERE TraceId IN {trace_ids:Array(String)} GROUP BY TraceId
UNION ALL
SELECT 'session', m.SessionId, toUnixTimestamp64Milli(max(x.LastIngested))
FROM (SELECT DISTINCT SessionId, TraceId FROM session_traces WHERE SessionId IN {session_ids:Array(String)}) AS m
INNER JOIN (
    SELECT TraceId, max(y.LastIngested) AS LastIngested FROM traces_rollup AS y
    WHERE TraceId IN (SELECT TraceId FROM session_traces WHERE SessionId IN {session_ids:Array(String)}) GROUP BY TraceId
) AS x ON m.TraceId = x.TraceId
GROUP BY m.SessionId
UNION ALL
SELECT 'span', concat(TraceId, ':', SpanId) AS key, toUnixTimestamp64Milli(max(IngestedAt))
FROM otel_logs
WHERE concat(TraceId, ':', SpanId) IN {span_keys:Array(String)} AND EventName != 'gen_ai.evaluation.result' AND LogAttributes['event.name'] != 'gen_ai.evaluation.result'
  AND TraceId IN (
      SELECT TraceId FROM traces_rollup WHERE TraceId IN (SELECT substring(arrayJoin({span_keys:Array(String)}), 1, 32)) GROUP BY TraceId HAVING sum(Logs) > 0)
GROUP BY key
