-- What a version of a metric says of all targets of a time.
SELECT count() AS judged, avg(assumeNotNull(Value)) AS mean, varSamp(assumeNotNull(Value)) AS variance
FROM evaluations_current FINAL
WHERE MetricName = {metric:String} AND MetricVersion = {version:UInt32} AND SourceClass = 'auto' AND Status = 'success' AND isNotNull(Value)
  AND ({level:String} = '' OR toString(Level) = {level:String})
  AND TargetTime >= fromUnixTimestamp64Micro({start_us:Int64}) AND TargetTime < fromUnixTimestamp64Micro({end_us:Int64})
