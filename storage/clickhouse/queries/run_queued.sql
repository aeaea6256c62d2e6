-- A page of what is open in a run's ledger, by target, strictly after the last row of the page before.
SELECT toString(Level) AS level, TargetId AS target_id, groupArray((toString(MetricName), toUnixTimestamp64Milli(Watermark))) AS metrics
FROM decisions FINAL
WHERE RuleId = {ledger:String} AND Decision IN ('started', 'waiting') AND (toString(Level), TargetId) > ({after_level:String}, {after_id:String})
GROUP BY level, target_id
ORDER BY level, target_id
LIMIT {max_rows:UInt32}
