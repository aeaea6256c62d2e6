-- The newest decision per metric of one rule about one target.
SELECT toString(MetricName) AS metric, toString(argMax(Decision, x.DecidedAt)) AS decision, argMax(x.Reason, x.DecidedAt) AS reason,
       argMax(x.Attempt, x.DecidedAt) AS attempt, toUnixTimestamp64Milli(argMax(x.Watermark, x.DecidedAt)) AS watermark_ms,
       toUnixTimestamp64Milli(argMax(x.NextAttemptAt, x.DecidedAt)) AS next_attempt_ms, toUnixTimestamp64Micro(max(x.DecidedAt)) AS decided_us,
       argMax(x.Worker, x.DecidedAt) IN (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3)) AS alive
FROM decisions AS x
WHERE RuleId = {rule:String} AND Level = {level:String} AND TargetId = {target_id:String}
GROUP BY metric
