-- What a run's ledger has settled about these targets.
SELECT MetricName AS metric, TargetId AS target_id, toUnixTimestamp64Milli(Watermark) AS watermark_ms
FROM decisions FINAL
WHERE RuleId = {ledger:String} AND Level = {level:String} AND TargetId IN {targets:Array(String)} AND Decision NOT IN ('started', 'waiting')
