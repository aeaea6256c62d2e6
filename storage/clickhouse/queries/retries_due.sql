-- Failed attempts whose time for another has come, earliest first.  No policy is older than 7 days; what a rule looks back at, one more.
-- The decision alone is read of everything else: the newest row of a target is asked for only where one says 'retrying'.
SELECT toString(RuleId) AS rule, RuleVersion AS rule_version, toString(MetricName) AS metric, toString(Level) AS level, TargetId AS target_id,
       toUnixTimestamp64Milli(Watermark) AS watermark_ms, Reason AS reason, Attempt AS attempt, toUnixTimestamp64Milli(FirstAttemptAt) AS first_attempt_ms
FROM decisions FINAL
WHERE (RuleId, TargetId) IN (
        SELECT RuleId, TargetId FROM decisions
        PREWHERE Decision = 'retrying'
        WHERE NextAttemptAt <= now64(3) AND DecidedAt > now64(3) - INTERVAL 8 DAY)
  AND Decision = 'retrying' AND NextAttemptAt <= now64(3) AND NOT has({except_rules:Array(String)}, RuleId)
ORDER BY NextAttemptAt, target_id
LIMIT {max_rows:UInt32}
