-- The automatic results that count for some targets, of metrics that a rule's filter reads: what they have seen of the target.
SELECT toString(MetricName) AS metric, multiIf(Level = 'span', concat(TraceId, ':', SpanId), Level = 'trace', TraceId, SessionId) AS target_id,
       tupleElement(argMax((toUnixTimestamp64Milli(Watermark), toString(Kind)), (Status != 'failed', MetricVersion, Rank)) AS newest, 1) AS watermark_ms,
       tupleElement(newest, 2) AS kind
FROM evaluations_current
WHERE MetricName IN {metrics:Array(String)} AND Level = {level:String} AND SourceClass = 'auto'
  AND (TraceId IN {trace_ids:Array(String)} OR SessionId IN {session_ids:Array(String)}) AND Status != 'retracted'
GROUP BY metric, Level, target_id
