-- How many targets have a current result of a metric, but none of the given version.
SELECT count() AS targets FROM (
SELECT 1
FROM evaluations_current FINAL
WHERE MetricName = {metric:String} AND Level = {level:String} AND SourceClass = 'auto'
  AND StartTime >= fromUnixTimestamp64Nano({after_ns:Int64}) AND StartTime < fromUnixTimestamp64Nano({until_ns:Int64})
  AND cityHash64(if(Level = 'session', SessionId, TraceId), 'assay') % 1000000 < {sample_ppm:UInt32}
GROUP BY MetricName, Level, TraceId, SpanId, SessionId
HAVING countIf(MetricVersion = {version:UInt32} AND Status != 'failed') = 0
)
