-- Automatic results of metric versions on targets, failures aside, each with the newest arrival that it has seen.
SELECT toString(MetricName) AS metric, multiIf(Level = 'session', SessionId, Level = 'trace', TraceId, concat(TraceId, ':', SpanId)) AS target_id,
       max(toUnixTimestamp64Milli(Watermark)) AS watermark_ms
FROM evaluations_current FINAL
WHERE MetricName IN {metrics:Array(String)} AND has(arrayZip({metrics:Array(String)}, {versions:Array(UInt32)}), (toString(MetricName), MetricVersion))
  AND Level = {level:String} AND TraceId IN {trace_ids:Array(String)} AND SessionId IN {session_ids:Array(String)}
  AND toStartOfHour(TargetTime) >= toStartOfHour(fromUnixTimestamp64Nano({first_ns:Int64})) AND toStartOfHour(TargetTime) <= toStartOfHour(fromUnixTimestamp64Nano({last_ns:Int64}))
  AND SourceClass = 'auto' AND Status NOT IN ('failed', 'retracted')
GROUP BY metric, target_id
