-- Where targets and metrics stand among their reviewers, one row each.  Expected is the verdict as text, '' where there is none.
CREATE VIEW IF NOT EXISTS resolutions_current AS
SELECT MetricName, MetricVersion, Level, TraceId, SpanId, SessionId, Status,
       multiIf(ExpectedLabel != '', toString(ExpectedLabel), notEmpty(ExpectedLabels), toJSONString(ExpectedLabels), ExpectedText != '', ExpectedText, coalesce(toString(ExpectedValue), '')) AS Expected,
       ExpectedValue, ExpectedLabel, ExpectedLabels, ExpectedText, Method, Queue, By, Reason, Watermark, CountsFrom, UpdatedAt
FROM resolutions FINAL
