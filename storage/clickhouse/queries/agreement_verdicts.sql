-- What stands in the results of one metric about the targets that people spoke about, by version.
SELECT toString(Level) AS level, TraceId AS trace_id, SpanId AS span_id, SessionId AS session_id, MetricVersion AS metric_version,
       Value AS value, toString(Label) AS label, CAST(Labels, 'Array(String)') AS labels, Text AS text
FROM evaluations_current FINAL
WHERE MetricName = {metric:String} AND SourceClass = 'auto' AND Status = 'success'
  AND (empty({versions:Array(UInt32)}) OR MetricVersion IN {versions:Array(UInt32)})
  AND (Level, TraceId, SpanId, SessionId) IN (
      SELECT Level, TraceId, SpanId, SessionId FROM feedback
      WHERE MetricName = {metric:String} AND cityHash64(TraceId, SpanId, SessionId) % 1000000 < {parts:UInt32}
  )
