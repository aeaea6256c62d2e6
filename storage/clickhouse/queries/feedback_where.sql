-- The conditions of a filter for feedback, on what all rows of an id share; empty parameters do not restrict.
({metric:String} = '' OR MetricName = {metric:String})
      AND ({level:String} = '' OR toString(Level) = {level:String})
      AND ({trace_id:String} = '' OR TraceId = {trace_id:String})
      AND ({span_id:String} = '' OR SpanId = {span_id:String})
      AND ({session_id:String} = '' OR SessionId = {session_id:String})
      AND ({annotator:String} = '' OR Annotator = {annotator:String})
      AND ({queue:String} = '' OR Queue = {queue:String})
      AND ({bulk_id:String} = '00000000-0000-0000-0000-000000000000' OR BulkId = toUUID({bulk_id:String}))
      AND CreatedAt >= fromUnixTimestamp64Micro({start_us:Int64}) AND CreatedAt < fromUnixTimestamp64Micro({end_us:Int64})
      AND (toUnixTimestamp64Micro(CreatedAt), toString(FeedbackId)) < ({before_us:Int64}, {before_id:String})
      AND ({resolution:String} = '' OR (MetricName, Level, TraceId, SpanId, SessionId) IN (
            SELECT MetricName, Level, TraceId, SpanId, SessionId FROM resolutions FINAL WHERE toString(Status) = {resolution:String}))
