-- What people said of one metric, as it stands: of each target and annotator the last word.  A target is taken or not by a hash of its ids, so the same
-- share takes the same targets.  In place of the comment stands what is read of the snapshot.
SELECT toString(Level) AS level, TraceId AS trace_id, SpanId AS span_id, SessionId AS session_id, toString(Annotator) AS annotator,
       MetricVersion AS metric_version, ExpectedValue AS value, toString(ExpectedLabel) AS label, CAST(ExpectedLabels, 'Array(String)') AS labels,
       ExpectedText AS text, JudgeValue AS judge_value, toString(JudgeLabel) AS judge_label, CAST(JudgeLabels, 'Array(String)') AS judge_labels,
       JudgeText AS judge_text, toString(Queue) AS queue, GroupKey AS group_key, created_us, segment
FROM (
    SELECT FeedbackId, Status, Level, TraceId, SpanId, SessionId, Annotator, MetricVersion, ExpectedValue, ExpectedLabel, ExpectedLabels,
           ExpectedText, JudgeValue, JudgeLabel, JudgeLabels, JudgeText, Queue, GroupKey, CreatedAt,
           toUnixTimestamp64Micro(CreatedAt) AS created_us, /*segment*/ AS segment
    FROM feedback
    WHERE MetricName = {metric:String} AND ({queue:String} = '' OR Queue = {queue:String})
      AND CreatedAt >= fromUnixTimestamp64Micro({start_us:Int64}) AND CreatedAt < fromUnixTimestamp64Micro({end_us:Int64})
      AND cityHash64(TraceId, SpanId, SessionId) % 1000000 < {parts:UInt32}
    ORDER BY Status DESC, UpdatedAt
    LIMIT 1 BY FeedbackId
)
WHERE Status = 'submitted'
ORDER BY Level, TraceId, SpanId, SessionId, CreatedAt DESC, FeedbackId
LIMIT 1 BY Level, TraceId, SpanId, SessionId, Annotator
