-- Spans and log records of the last hour that did not come through our receiver, so that redaction never saw them.
SELECT 'spans' AS what, count() AS rows
FROM otel_traces
WHERE IngestedAt > now64(3) - toIntervalHour(1) AND RequestDigest = toFixedString('', 16)
UNION ALL
SELECT 'log records' AS what, count() AS rows
FROM otel_logs
WHERE IngestedAt > now64(3) - toIntervalHour(1) AND RequestDigest = toFixedString('', 16)
