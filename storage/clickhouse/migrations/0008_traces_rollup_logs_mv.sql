-- Logs count, move LastIngested, and change nothing else.
CREATE MATERIALIZED VIEW IF NOT EXISTS traces_rollup_logs_mv TO traces_rollup DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT s.TraceId AS TraceId, toDateTime64('2262-01-01 00:00:00', 9) AS Start, toDateTime64(0, 9) AS LastStart, toDateTime64(0, 9) AS End, min(s.IngestedAt) AS FirstIngested, max(s.IngestedAt) AS LastIngested,
       toUInt64(0) AS Spans, toUInt64(0) AS Roots, count() AS Logs, (toDateTime64('2262-01-01 00:00:00', 9), '', '', '') AS Root, (toDateTime64('2262-01-01 00:00:00', 9), '', '', '') AS LocalRoot
FROM otel_logs AS s WHERE s.TraceId != '' AND s.EventName != 'gen_ai.evaluation.result' AND s.LogAttributes['event.name'] != 'gen_ai.evaluation.result' GROUP BY s.TraceId
