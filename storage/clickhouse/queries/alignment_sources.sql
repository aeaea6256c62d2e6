-- Newest result of each completed evaluation on each target that people have spoken about and been counted.
SELECT s.Source AS source_id, if(s.RunId != '', toString(r.Kind), s.Kind) AS kind, if(s.RunId != '', toString(r.Subject), s.RuleId) AS name,
       if(s.RunId != '', toUnixTimestamp64Micro(r.CreatedAt), toUnixTimestamp64Micro(s.FirstAt)) AS created_us,
       toString(s.Level) AS level, s.TraceId AS trace_id, s.SpanId AS span_id, s.SessionId AS session_id, s.Verdict AS verdict
FROM (
    SELECT multiIf(e.RunId != '', e.RunId, e.RuleId != '', concat('rule:', e.RuleId, '@', toString(toDate(e.EvaluatedAt, 'UTC'))),
                   concat('ondemand@', toString(toDate(e.EvaluatedAt, 'UTC')))) AS Source,
           any(e.RunId) AS RunId, any(toString(e.RuleId)) AS RuleId, if(any(e.RuleId) != '', 'rule_day', 'ondemand_day') AS Kind,
           e.Level AS Level, e.TraceId AS TraceId, e.SpanId AS SpanId, e.SessionId AS SessionId, min(e.EvaluatedAt) AS FirstAt,
           argMax((e.Value, toString(e.Label), arrayMap(l -> toString(l), e.Labels), e.Text), (e.EvaluatedAt, e.Attempt)) AS Verdict
    FROM evaluations AS e
    WHERE e.MetricName = {metric:String} AND e.SourceClass = 'auto' AND e.Status = 'success' AND e.Purpose != 'alignment'
      AND (e.Level, e.TraceId, e.SpanId, e.SessionId) IN (
          SELECT Level, TraceId, SpanId, SessionId FROM resolutions FINAL
          WHERE MetricName = {metric:String} AND Status NOT IN ('open', 'in_review'))
    GROUP BY Source, Level, TraceId, SpanId, SessionId
) AS s
LEFT JOIN (
    SELECT * FROM (SELECT * FROM runs FINAL WHERE Kind != 'alignment') AS all_runs WHERE RunId IN (
        SELECT RunId FROM run_events WHERE Event = 'state' AND State IN {completed:Array(String)})
) AS r ON s.RunId = r.RunId
WHERE (s.RunId = '' OR r.RunId != '') AND (empty({source_ids:Array(String)}) OR s.Source IN {source_ids:Array(String)})
ORDER BY source_id, level, trace_id, span_id, session_id
