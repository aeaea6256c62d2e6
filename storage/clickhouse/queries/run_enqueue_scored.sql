-- Targets that have a current result of a metric, or of the built-in one that it is a fork of, but none of the given version, into the ledger of a run.
INSERT INTO decisions (RuleId, MetricName, Level, TargetId, Watermark, Decision, Attempt)
SELECT {ledger:String}, {metric:String}, Level, multiIf(Level = 'session', SessionId, Level = 'trace', TraceId, concat(TraceId, ':', SpanId)), max(Watermark), 'waiting', 1
FROM evaluations_current FINAL
WHERE MetricName IN (SELECT {metric:String} UNION ALL SELECT JSONExtractString(Doc, 'acceptance', 'base') FROM metric_versions WHERE metric_versions.MetricName = {metric:String})
  AND Level = {level:String} AND SourceClass = 'auto'
  AND StartTime >= fromUnixTimestamp64Nano({after_ns:Int64}) AND StartTime < fromUnixTimestamp64Nano({until_ns:Int64})
  AND cityHash64(if(Level = 'session', SessionId, TraceId), 'assay') % 1000000 < {sample_ppm:UInt32}
GROUP BY Level, TraceId, SpanId, SessionId
HAVING countIf(MetricName = {metric:String} AND MetricVersion = {version:UInt32} AND Status != 'failed') = 0
