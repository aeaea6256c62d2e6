-- What is not final, newest first, strictly before a place: view `evaluations_open` with a filter for results.
SELECT toString(RuleId) AS rule, RuleVersion AS rule_version, toString(MetricName) AS metric, toString(Level) AS level, TargetId AS target_id,
       toUnixTimestamp64Milli(Watermark) AS watermark_ms, Status AS status, Reason AS reason, Attempt AS attempt,
       toUnixTimestamp64Micro(Since) AS since_us
FROM evaluations_open
WHERE Status IN {statuses:Array(String)}
  AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
  AND (empty({levels:Array(String)}) OR toString(Level) IN {levels:Array(String)})
  AND (empty({targets:Array(String)}) OR concat(toString(Level), ' ', TraceId, ' ', SpanId, ' ', SessionId) IN {targets:Array(String)})
  AND ({rule:String} = '' OR RuleId = {rule:String})
  AND Since >= fromUnixTimestamp64Micro({since_us:Int64}) AND Since < fromUnixTimestamp64Micro({until_us:Int64})
  AND (Since, RuleId, MetricName, TargetId) < (fromUnixTimestamp64Micro({before_us:Int64}), {before_rule:String}, {before_metric:String}, {before_target:String})
ORDER BY Since DESC, RuleId DESC, MetricName DESC, TargetId DESC
LIMIT {max_rows:UInt32}
