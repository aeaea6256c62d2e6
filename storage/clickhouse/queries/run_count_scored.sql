-- How many targets have a current result of a metric, or of the built-in one that it is a fork of, but none of the given version.
SELECT count() AS targets FROM (
SELECT 1
FROM evaluations_current FINAL
WHERE MetricName IN (SELECT {metric:String} UNION ALL SELECT JSONExtractString(Doc, 'acceptance', 'base') FROM metric_versions WHERE metric_versions.MetricName = {metric:String})
  AND Level = {level:String} AND SourceClass = 'auto'
  AND StartTime >= fromUnixTimestamp64Nano({after_ns:Int64}) AND StartTime < fromUnixTimestamp64Nano({until_ns:Int64})
  AND cityHash64(if(Level = 'session', SessionId, TraceId), 'assay') % 1000000 < {sample_ppm:UInt32}
GROUP BY Level, TraceId, SpanId, SessionId
HAVING countIf(MetricName = {metric:String} AND MetricVersion = {version:UInt32} AND Status != 'failed') = 0
)
