-- How many results of a run there are in a window, by decision.
SELECT if(Status = 'success', 'scored', 'not_applicable') AS decision, uniqExact(EvaluationId) AS pairs
FROM evaluations
WHERE MetricName = {metric:String} AND Level = 'span' AND RunId = {run_id:String}
  AND toStartOfHour(TargetTime) >= toStartOfHour(fromUnixTimestamp64Nano({since_ns:Int64})) AND toStartOfHour(TargetTime) <= toStartOfHour(fromUnixTimestamp64Nano({until_ns:Int64}))
  AND TargetTime >= fromUnixTimestamp64Nano({since_ns:Int64}) AND TargetTime < fromUnixTimestamp64Nano({until_ns:Int64})
GROUP BY decision
