-- Targets that people spoke about, of one metric.
SELECT uniqExact(Level, TraceId, SpanId, SessionId) AS targets
FROM (
    SELECT Level, TraceId, SpanId, SessionId, Status
    FROM feedback
    WHERE MetricName = {metric:String} AND ({queue:String} = '' OR Queue = {queue:String})
      AND CreatedAt >= fromUnixTimestamp64Micro({start_us:Int64}) AND CreatedAt < fromUnixTimestamp64Micro({end_us:Int64})
    ORDER BY Status DESC, UpdatedAt
    LIMIT 1 BY FeedbackId
)
WHERE Status = 'submitted'
