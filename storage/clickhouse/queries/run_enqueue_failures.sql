-- Everything whose newest attempt failed in a run, or that no budget covered, into the ledger of another; not what its composites required,
-- which is theirs to repeat.
INSERT INTO decisions (RuleId, MetricName, Level, TargetId, Watermark, Decision, Attempt)
SELECT {ledger:String}, MetricName, Level, multiIf(Level = 'session', SessionId, Level = 'trace', TraceId, concat(TraceId, ':', SpanId)), Watermark, 'waiting', Attempt
FROM (
    SELECT MetricName, Level, TraceId, SpanId, SessionId, Watermark, Status, Attempt
    FROM evaluations
    WHERE EvaluationId IN (SELECT EvaluationId FROM evaluations WHERE RunId = {of_run:String})
    ORDER BY Attempt DESC LIMIT 1 BY EvaluationId
)
WHERE Status = 'failed' AND MetricName IN {metrics:Array(String)}
UNION ALL
SELECT {ledger:String}, MetricName, Level, TargetId, Watermark, 'waiting', Attempt
FROM decisions FINAL
WHERE RuleId = {of_ledger:String} AND Decision = 'over_budget' AND MetricName IN {metrics:Array(String)}
