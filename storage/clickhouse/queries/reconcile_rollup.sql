-- What the rollup of these traces must change by, a row per trace that differs, for an INSERT: its columns add up, so the difference repairs
-- (too much is taken back by a sum that wraps around).  In one statement it is compared with everything that is stored of the trace.
-- Nothing of a trace that has rows newer than `until`: its views may be under way.  `first_ms` bounds what is read: no row that
-- the rollup counts came earlier.
-- LastIngested only grows.  Where rows become visible to rules only now, or where a trace is in `woken`, it becomes now: the trace is looked at again.
WITH fromUnixTimestamp64Milli({first_ms:Int64}) AS first, fromUnixTimestamp64Milli({until_ms:Int64}) AS until,
     (toDateTime64('2262-01-01 00:00:00', 9), '', '', '') AS nobody
SELECT TraceId, min(start) AS Start, max(last_start) AS LastStart, max(end) AS End, min(first_in) AS FirstIngested,
       if(sum(spans) > 0 OR sum(logs) > 0 OR has({woken:Array(String)}, TraceId), now64(3), max(last_in)) AS LastIngested,
       toUInt64(sum(spans)) AS Spans, toUInt64(sum(roots)) AS Roots, toUInt64(sum(logs)) AS Logs, toUInt64(sum(errors)) AS ErrorSpans, toUInt64(sum(llm)) AS LlmSpansReported,
       toUInt64(sum(tokens_in)) AS InputTokensReported, toUInt64(sum(tokens_out)) AS OutputTokensReported, sum(usd) AS CostUsdReported,
       min(root) AS Root, min(local_root) AS LocalRoot, groupUniqArrayArray(services) AS ServiceNames, max(environment) AS Environment, max(session) AS SessionId, max(user) AS UserId, groupUniqArrayArray(sessions) AS SessionIds,
       sum(spans) != 0 OR sum(roots) != 0 OR sum(logs) != 0 OR sum(errors) != 0 OR sum(llm) != 0 OR sum(tokens_in) != 0 OR sum(tokens_out) != 0 OR abs(sum(usd)) > 1e-9 AS differs
FROM (
    SELECT s.TraceId AS TraceId, min(s.Timestamp) AS start, max(s.Timestamp) AS last_start, max(addNanoseconds(s.Timestamp, if(s.Duration < 2592000000000000, s.Duration, 0))) AS end,
           min(s.IngestedAt) AS first_in, max(s.IngestedAt) AS last_in,
           toInt64(count()) AS spans, toInt64(countIf(s.ParentSpanId = '')) AS roots, toInt64(0) AS logs, toInt64(countIf(s.StatusCode = 'Error')) AS errors, toInt64(countIf(s.ObservationKind = 'llm')) AS llm,
           toInt64(sumIf(s.InputTokens, s.ObservationKind IN ('llm', 'embedding'))) AS tokens_in, toInt64(sumIf(s.OutputTokens, s.ObservationKind = 'llm')) AS tokens_out,
           sumIf(s.CostUsd, s.ObservationKind IN ('llm', 'embedding')) AS usd,
           min(if(s.ParentSpanId = '', (s.Timestamp, s.SpanId, toString(s.ServiceName), toString(s.SpanName)), nobody)) AS root,
           min((s.Timestamp, s.SpanId, toString(s.ServiceName), toString(s.SpanName))) AS local_root,
           groupUniqArray(toString(s.ServiceName)) AS services, toString(max(s.Environment)) AS environment, max(s.SessionId) AS session, max(s.UserId) AS user,
           groupUniqArrayIf(s.SessionId, s.SessionId != '') AS sessions
    FROM otel_traces AS s WHERE s.TraceId IN {trace_ids:Array(String)} AND s.IngestedAt >= first GROUP BY s.TraceId
    UNION ALL
    SELECT s.TraceId, nobody.1, toDateTime64(0, 9), toDateTime64(0, 9), min(s.IngestedAt), max(s.IngestedAt), 0, 0, toInt64(count()), 0, 0, 0, 0, 0., nobody, nobody, [], '', '', '', []
    FROM otel_logs AS s WHERE s.TraceId IN {trace_ids:Array(String)} AND s.IngestedAt >= first
      AND s.EventName != 'gen_ai.evaluation.result' AND s.LogAttributes['event.name'] != 'gen_ai.evaluation.result' GROUP BY s.TraceId
    UNION ALL
    SELECT r.TraceId, min(r.Start), max(r.LastStart), max(r.End), min(r.FirstIngested), max(r.LastIngested),
           -toInt64(sum(r.Spans)), -toInt64(sum(r.Roots)), -toInt64(sum(r.Logs)), -toInt64(sum(r.ErrorSpans)), -toInt64(sum(r.LlmSpansReported)),
           -toInt64(sum(r.InputTokensReported)), -toInt64(sum(r.OutputTokensReported)), -sum(r.CostUsdReported), min(r.Root), min(r.LocalRoot),
           groupUniqArrayArray(r.ServiceNames), toString(max(r.Environment)), max(r.SessionId), max(r.UserId), groupUniqArrayArray(r.SessionIds)
    FROM traces_rollup AS r WHERE r.TraceId IN {trace_ids:Array(String)} GROUP BY r.TraceId
)
GROUP BY TraceId
HAVING max(last_in) <= until AND (differs OR has({woken:Array(String)}, TraceId))
