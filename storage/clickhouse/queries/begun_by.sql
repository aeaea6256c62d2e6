-- What a worker is at, of these targets: the newest word about each revision is that it began.
SELECT toString(MetricName) AS metric, TargetId AS target_id, toUnixTimestamp64Milli(Watermark) AS watermark_ms,
       argMax((toString(d.Decision), toString(d.Worker)), d.DecidedAt) AS newest
FROM decisions AS d
WHERE RuleId = {rule:String} AND Level = {level:String}
  AND Watermark >= fromUnixTimestamp64Milli({first_ms:Int64}) AND Watermark <= fromUnixTimestamp64Milli({last_ms:Int64})
  AND TargetId IN {targets:Array(String)}
GROUP BY metric, target_id, watermark_ms
HAVING newest = ('started', {worker:String})
