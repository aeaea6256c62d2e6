-- The conditions of a page of resolutions, newest first, strictly before one of them.
({metric:String} = '' OR MetricName = {metric:String})
  AND ({status:String} = '' OR toString(Status) = {status:String})
  AND (updated_us, metric, level, concat(TraceId, ' ', SpanId, ' ', SessionId)) < ({before_us:Int64}, {before_metric:String}, {before_level:String}, {before_key:String})
ORDER BY updated_us DESC, metric DESC, level DESC, concat(TraceId, ' ', SpanId, ' ', SessionId) DESC
LIMIT {max_rows:UInt32}
