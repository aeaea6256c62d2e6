-- What rules wait for and whose time is over, oldest first.  Nothing waits for longer than 30 days.
SELECT toString(RuleId) AS rule, RuleVersion AS rule_version, toString(MetricName) AS metric, toString(Level) AS level, TargetId AS target_id,
       toUnixTimestamp64Milli(Watermark) AS watermark_ms, Attempt AS attempt, toUnixTimestamp64Milli(NextAttemptAt) AS next_attempt_ms
FROM decisions FINAL
WHERE RuleId IN {rules:Array(String)} AND Decision = 'waiting' AND NextAttemptAt <= now64(3) AND Watermark > now64(3) - INTERVAL 31 DAY
ORDER BY NextAttemptAt, target_id
LIMIT {max_rows:UInt32}
