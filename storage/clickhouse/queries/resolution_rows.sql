-- Where targets and metrics stand.  What is asked for stands in place of the comment.
SELECT toString(MetricName) AS metric, MetricVersion AS metric_version, toString(Level) AS level, TraceId AS trace_id, SpanId AS span_id,
       SessionId AS session_id, toUnixTimestamp64Milli(Watermark) AS watermark_ms, toString(Status) AS status, ExpectedValue AS value,
       toString(ExpectedLabel) AS label, CAST(ExpectedLabels, 'Array(String)') AS labels, ExpectedText AS text, toString(Method) AS method,
       toString(Queue) AS queue, toString(By) AS by, Reason AS reason, toUnixTimestamp64Micro(CountsFrom) AS counts_from_us,
       toUnixTimestamp64Micro(UpdatedAt) AS updated_us
FROM resolutions FINAL
WHERE /*where*/
