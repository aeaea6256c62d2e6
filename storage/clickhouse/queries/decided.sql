-- What rules have settled about these targets, of every revision in the window: the newest word about each.  'started' counts only while its worker
-- lives; what was cancelled because its rule was disabled, or while it was, comes back when that is enabled in time.
SELECT toString(RuleId) AS rule, toString(MetricName) AS metric, TargetId AS target_id, toUnixTimestamp64Milli(Watermark) AS watermark_ms,
       argMax((toString(d.Decision), d.Reason, toString(d.Worker)), d.DecidedAt) AS newest, newest.1 AS decision
FROM decisions AS d
WHERE RuleId IN {rules:Array(String)} AND Level = {level:String}
  AND Watermark >= fromUnixTimestamp64Milli({first_ms:Int64}) AND Watermark <= fromUnixTimestamp64Milli({last_ms:Int64})
  AND TargetId IN {targets:Array(String)}
GROUP BY rule, metric, target_id, watermark_ms
HAVING (newest.1 != 'started' OR newest.3 IN (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3)))
   AND NOT (newest.1 = 'cancelled' AND newest.2 IN {taken_up_again:Array(String)})
