-- Work that a worker started and did not live to finish, oldest first.
SELECT toString(RuleId) AS rule, RuleVersion AS rule_version, toString(MetricName) AS metric, toString(Level) AS level, TargetId AS target_id,
       toUnixTimestamp64Milli(Watermark) AS watermark_ms, Attempt AS attempt
FROM decisions FINAL
WHERE Decision = 'started' AND NOT startsWith(RuleId, 'run:')  -- a run finds its own work again by its checkpoint
  AND Watermark > now64(3) - INTERVAL 7 DAY
  AND Worker NOT IN (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3))
ORDER BY DecidedAt, target_id
LIMIT {max_rows:UInt32}
