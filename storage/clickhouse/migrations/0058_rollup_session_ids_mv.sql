-- As it was made, and with all session ids.
ALTER TABLE traces_rollup_mv MODIFY QUERY
SELECT s.TraceId AS TraceId, min(s.Timestamp) AS Start, max(s.Timestamp) AS LastStart, max(addNanoseconds(s.Timestamp, if(s.Duration < 2592000000000000, s.Duration, 0))) AS End,
       min(s.IngestedAt) AS FirstIngested, max(s.IngestedAt) AS LastIngested,
       count() AS Spans, countIf(s.ParentSpanId = '') AS Roots, toUInt64(0) AS Logs, countIf(s.StatusCode = 'Error') AS ErrorSpans,
       countIf(s.ObservationKind = 'llm') AS LlmSpansReported, sumIf(s.InputTokens, s.ObservationKind IN ('llm', 'embedding')) AS InputTokensReported,
       sumIf(s.OutputTokens, s.ObservationKind = 'llm') AS OutputTokensReported, sumIf(s.CostUsd, s.ObservationKind IN ('llm', 'embedding')) AS CostUsdReported,
       min(if(s.ParentSpanId = '', (s.Timestamp, s.SpanId, toString(s.ServiceName), toString(s.SpanName)), (toDateTime64('2262-01-01 00:00:00', 9), '', '', ''))) AS Root,
       min((s.Timestamp, s.SpanId, toString(s.ServiceName), toString(s.SpanName))) AS LocalRoot,
       groupUniqArray(toString(s.ServiceName)) AS ServiceNames, max(s.Environment) AS Environment, max(s.SessionId) AS SessionId, max(s.UserId) AS UserId,
       groupUniqArrayIf(s.SessionId, s.SessionId != '') AS SessionIds
FROM otel_traces AS s WHERE s.TraceId != '' GROUP BY s.TraceId
