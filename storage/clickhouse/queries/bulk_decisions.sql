-- The ledger of a run says what came of the spans of a window that have results of it.
INSERT INTO decisions (RuleId, MetricName, Level, TargetId, Watermark, Decision, Reason, Attempt)
SELECT {ledger:String}, {metric:String}, 'span', concat(TraceId, ':', SpanId), Watermark, if(Status = 'success', 'scored', 'not_applicable'),
       if(Status = 'success', '', {no_value:String}), 1
FROM evaluations
WHERE MetricName = {metric:String} AND Level = 'span' AND RunId = {run_id:String}
  AND toStartOfHour(TargetTime) >= toStartOfHour(fromUnixTimestamp64Nano({since_ns:Int64})) AND toStartOfHour(TargetTime) <= toStartOfHour(fromUnixTimestamp64Nano({until_ns:Int64}))
  AND TargetTime >= fromUnixTimestamp64Nano({since_ns:Int64}) AND TargetTime < fromUnixTimestamp64Nano({until_ns:Int64})
