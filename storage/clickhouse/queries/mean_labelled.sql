-- What a version of a metric and people say of targets that people have resolved; with a run, of those that it has used.
SELECT if(f.GroupKey = '', concat(e.TraceId, e.SpanId, e.SessionId), f.GroupKey) AS group_key, assumeNotNull(r.ExpectedValue) AS expected,
       assumeNotNull(e.Value) AS concluded
FROM (
    SELECT Level, TraceId, SpanId, SessionId, Value FROM evaluations_current FINAL
    WHERE MetricName = {metric:String} AND MetricVersion = {version:UInt32} AND SourceClass = 'auto' AND Status = 'success' AND isNotNull(Value)
      AND ({level:String} = '' OR toString(Level) = {level:String})
      AND TargetTime >= fromUnixTimestamp64Micro({start_us:Int64}) AND TargetTime < fromUnixTimestamp64Micro({end_us:Int64})
) AS e
INNER JOIN (
    SELECT Level, TraceId, SpanId, SessionId, ExpectedValue FROM resolutions FINAL
    WHERE MetricName = {metric:String} AND Status = 'resolved' AND isNotNull(ExpectedValue) AND ({queue:String} = '' OR Queue = {queue:String})
      AND ({run_id:String} = '' OR (Level, TraceId, SpanId, SessionId) IN (
          SELECT Level, TraceId, SpanId, SessionId FROM alignment_rows FINAL WHERE RunId = {run_id:String} AND Split != 'excluded'))
) AS r ON e.Level = r.Level AND e.TraceId = r.TraceId AND e.SpanId = r.SpanId AND e.SessionId = r.SessionId
LEFT JOIN (
    SELECT Level, TraceId, SpanId, SessionId, min(x.GroupKey) AS GroupKey FROM feedback AS x WHERE MetricName = {metric:String}
    GROUP BY Level, TraceId, SpanId, SessionId
) AS f ON e.Level = f.Level AND e.TraceId = f.TraceId AND e.SpanId = f.SpanId AND e.SessionId = f.SessionId
ORDER BY group_key, expected, concluded
