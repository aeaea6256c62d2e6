-- What rules have settled about these targets.  'started' counts only while its worker lives.
SELECT RuleId AS rule, MetricName AS metric, TargetId AS target_id, toUnixTimestamp64Milli(Watermark) AS watermark_ms
FROM decisions
WHERE RuleId IN {rules:Array(String)} AND Level = {level:String}
  AND Watermark >= fromUnixTimestamp64Milli({first_ms:Int64}) AND Watermark <= fromUnixTimestamp64Milli({last_ms:Int64})
  AND TargetId IN {targets:Array(String)}
  AND (Decision != 'started' OR Worker IN (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3)))
GROUP BY rule, metric, target_id, watermark_ms
