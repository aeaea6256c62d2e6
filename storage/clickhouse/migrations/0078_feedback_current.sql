-- Feedback as it stands, one row each: a retraction is final, else the first row of an id counts.
-- Judged and Expected are the verdicts as text: label, labels (as JSON), text, or the number; '' = there was none.
CREATE VIEW IF NOT EXISTS feedback_current AS
SELECT FeedbackId, MetricName, MetricVersion, Level, TraceId, SpanId, SessionId, Annotator,
       multiIf(ExpectedLabel != '', toString(ExpectedLabel), notEmpty(ExpectedLabels), toJSONString(ExpectedLabels), ExpectedText != '', ExpectedText, coalesce(toString(ExpectedValue), '')) AS Expected,
       multiIf(JudgeLabel != '', toString(JudgeLabel), notEmpty(JudgeLabels), toJSONString(JudgeLabels), JudgeText != '', JudgeText, coalesce(toString(JudgeValue), '')) AS Judged,
       Rationale, ExpectedValue, ExpectedLabel, ExpectedLabels, ExpectedText, JudgeValue, JudgeLabel, JudgeLabels, JudgeText, JudgeExplanation, JudgeModel,
       EvaluationId, InputSnapshot, GroupKey, Watermark, Queue, BulkId, Status, By, Reason, CreatedAt, UpdatedAt
FROM feedback
ORDER BY Status DESC, UpdatedAt
LIMIT 1 BY FeedbackId
