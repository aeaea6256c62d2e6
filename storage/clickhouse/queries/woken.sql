-- What one rule has decided, or waits for, about a composite metric, where results that this requires came in (after, until]: on the
-- target itself, of a trace also on its spans.  What the rule stored itself before it decided was read by that decision.
-- `again` = targets to be looked at whatever came.
SELECT d.target_id AS target_id, d.watermark_ms AS watermark_ms, d.rule_version AS rule_version, d.decision AS decision, d.attempt AS attempt
FROM (
    SELECT TargetId AS target_id, argMax((toString(Decision), toUnixTimestamp64Milli(Watermark), Attempt, RuleVersion), x.DecidedAt) AS newest,
           newest.1 AS decision, newest.2 AS watermark_ms, newest.3 AS attempt, newest.4 AS rule_version, max(x.DecidedAt) AS decided_at
    FROM decisions AS x
    WHERE RuleId = {rule:String} AND MetricName = {metric:String} AND Level = {level:String}
      AND (TargetId IN {again:Array(String)} OR TargetId IN (
            SELECT if({level:String} = 'span', concat(TraceId, ':', SpanId), TraceId) FROM evaluations
            WHERE InsertedAt > fromUnixTimestamp64Micro({after_us:Int64}) AND InsertedAt <= fromUnixTimestamp64Micro({until_us:Int64})
              AND MetricName IN {required:Array(String)} AND TraceId != '' AND (Level = 'span' OR {level:String} = 'trace')))
    GROUP BY target_id
) AS d
LEFT JOIN (
    SELECT if({level:String} = 'span', concat(TraceId, ':', SpanId), TraceId) AS target_id, max(InsertedAt) AS newest,
           countIf(RuleId != {rule:String}) > 0 AS of_others
    FROM evaluations
    WHERE InsertedAt > fromUnixTimestamp64Micro({after_us:Int64}) AND InsertedAt <= fromUnixTimestamp64Micro({until_us:Int64})
      AND MetricName IN {required:Array(String)} AND TraceId != '' AND (Level = 'span' OR {level:String} = 'trace')
      AND Purpose IN ('online', 'ondemand', 'backfill', 'recompute')
    GROUP BY target_id
) AS e ON d.target_id = e.target_id
WHERE d.decision IN ('started', 'waiting', 'retrying', 'scored', 'failed', 'not_computed', 'not_applicable')
  AND (e.of_others OR e.newest > d.decided_at OR has({again:Array(String)}, d.target_id))
ORDER BY watermark_ms, target_id
