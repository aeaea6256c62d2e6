-- The newest decision per rule, metric and revision about one target, newest revision first; of one rule, or of all.
SELECT toString(RuleId) AS rule, toString(MetricName) AS metric, toUnixTimestamp64Milli(Watermark) AS watermark_ms, argMax(x.RuleVersion, x.DecidedAt) AS rule_version,
       toString(argMax(x.Decision, x.DecidedAt)) AS decision, argMax(x.Reason, x.DecidedAt) AS reason, argMax(x.Attempt, x.DecidedAt) AS attempt, argMax(x.Tries, x.DecidedAt) AS tries,
       toUnixTimestamp64Milli(argMax(x.NextAttemptAt, x.DecidedAt)) AS next_attempt_ms, toUnixTimestamp64Milli(argMax(x.FirstAttemptAt, x.DecidedAt)) AS first_attempt_ms,
       toUnixTimestamp64Micro(max(x.DecidedAt)) AS decided_us,
       argMax(x.Worker, x.DecidedAt) IN (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3)) AS alive
FROM decisions AS x
WHERE ({rule:String} = '' OR RuleId = {rule:String}) AND NOT startsWith(RuleId, 'run:') AND Level = {level:String} AND TargetId = {target_id:String}
GROUP BY rule, metric, watermark_ms
ORDER BY watermark_ms DESC, rule, metric
