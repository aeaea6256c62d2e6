-- As woken, for sessions: what came may stand on the session, on its traces, and on their spans.
WITH came AS (
    SELECT target_id, max(at) AS newest, max(others) AS of_others
    FROM (
        SELECT arrayJoin(if(e.level = 'session', [e.session_id], r.sessions)) AS target_id, e.at AS at, e.others AS others
        FROM (
            SELECT toString(Level) AS level, TraceId AS trace_id, SessionId AS session_id, max(InsertedAt) AS at, max(RuleId != {rule:String}) AS others
            FROM evaluations
            WHERE InsertedAt > fromUnixTimestamp64Micro({after_us:Int64}) AND InsertedAt <= fromUnixTimestamp64Micro({until_us:Int64})
              AND MetricName IN {required:Array(String)} AND Purpose IN ('online', 'ondemand', 'backfill', 'recompute')
            GROUP BY level, trace_id, session_id
        ) AS e
        LEFT JOIN (
            SELECT TraceId AS trace_id, arrayDistinct(arrayConcat(groupUniqArrayArray(x.SessionIds), [max(x.SessionId)])) AS sessions
            FROM traces_rollup AS x
            WHERE TraceId IN (
                SELECT TraceId FROM evaluations
                WHERE InsertedAt > fromUnixTimestamp64Micro({after_us:Int64}) AND InsertedAt <= fromUnixTimestamp64Micro({until_us:Int64})
                  AND MetricName IN {required:Array(String)} AND Level != 'session')
            GROUP BY trace_id
        ) AS r ON e.trace_id = r.trace_id
    )
    WHERE target_id != ''
    GROUP BY target_id
)
SELECT d.target_id AS target_id, d.watermark_ms AS watermark_ms, d.rule_version AS rule_version, d.decision AS decision, d.attempt AS attempt
FROM (
    SELECT TargetId AS target_id, argMax((toString(Decision), toUnixTimestamp64Milli(Watermark), Attempt, RuleVersion), x.DecidedAt) AS newest,
           newest.1 AS decision, newest.2 AS watermark_ms, newest.3 AS attempt, newest.4 AS rule_version, max(x.DecidedAt) AS decided_at
    FROM decisions AS x
    WHERE RuleId = {rule:String} AND MetricName = {metric:String} AND Level = 'session'
      AND (TargetId IN {again:Array(String)} OR TargetId IN (SELECT target_id FROM came))
    GROUP BY target_id
) AS d
LEFT JOIN came AS e ON d.target_id = e.target_id
WHERE d.decision IN ('started', 'waiting', 'retrying', 'scored', 'failed', 'not_computed', 'not_applicable')
  AND (e.of_others OR e.newest > d.decided_at OR has({again:Array(String)}, d.target_id))
ORDER BY watermark_ms, target_id
