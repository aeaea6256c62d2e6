-- Work that a worker started and did not live to finish, oldest first.
-- Who began what is all that is read of everything else: the newest row of a target is asked for only where a worker left one.
WITH live AS (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3))
SELECT toString(RuleId) AS rule, RuleVersion AS rule_version, toString(MetricName) AS metric, toString(Level) AS level, TargetId AS target_id,
       toUnixTimestamp64Milli(Watermark) AS watermark_ms, Attempt AS attempt,
       Tries AS tries, toUnixTimestamp64Milli(FirstAttemptAt) AS first_attempt_ms
FROM decisions FINAL
WHERE (RuleId, TargetId) IN (
        SELECT RuleId, TargetId FROM decisions
        PREWHERE Decision = 'started'
        WHERE Worker NOT IN (live) AND NOT startsWith(RuleId, 'run:')  -- a run finds its own work again by its checkpoint
          AND Watermark > now64(3) - INTERVAL 7 DAY)
  AND Decision = 'started' AND Worker NOT IN (live) AND Watermark > now64(3) - INTERVAL 7 DAY
ORDER BY DecidedAt, target_id
LIMIT {max_rows:UInt32}
