-- Feedback as it stands, one row each: a retraction is final, else the first row of an id counts.  What is asked for stands in place of the
-- comments: conditions on what all rows of an id share, on the row that counts, and the order.
SELECT *
FROM (
    SELECT toString(FeedbackId) AS feedback_id, toString(Queue) AS queue, toString(BulkId) AS bulk_id, toString(Level) AS level, TraceId AS trace_id,
           SpanId AS span_id, SessionId AS session_id, toString(MetricName) AS metric, MetricVersion AS metric_version,
           toString(EvaluationId) AS result_id, toString(Annotator) AS annotator, JudgeValue AS judge_value, toString(JudgeLabel) AS judge_label,
           CAST(JudgeLabels, 'Array(String)') AS judge_labels, JudgeText AS judge_text, JudgeExplanation AS judge_explanation,
           toString(JudgeModel) AS judge_model, ExpectedValue AS value, toString(ExpectedLabel) AS label,
           CAST(ExpectedLabels, 'Array(String)') AS labels, ExpectedText AS text, Rationale AS rationale, InputSnapshot AS snapshot,
           GroupKey AS group_key, toUnixTimestamp64Milli(Watermark) AS watermark_ms, toString(Status) AS status, toString(By) AS by,
           Reason AS reason, toUnixTimestamp64Micro(CreatedAt) AS created_us, toUnixTimestamp64Micro(UpdatedAt) AS updated_us
    FROM feedback
    WHERE /*rows*/
    ORDER BY Status DESC, UpdatedAt
    LIMIT 1 BY FeedbackId
)
WHERE /*current*/
ORDER BY /*order*/
LIMIT {max_rows:UInt64}
