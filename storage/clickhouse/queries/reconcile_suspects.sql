-- Traces with arrivals in a closed window (since, until] whose rollup may differ from what is stored: those that the window alone does not
-- prove right.  Left out: traces that got more since; the window of their last arrival finds them.
WITH fromUnixTimestamp64Milli({since_ms:Int64}) AS since, fromUnixTimestamp64Milli({until_ms:Int64}) AS until,
     ids AS (
         SELECT TraceId FROM otel_traces
         WHERE IngestedAt > since AND IngestedAt <= until AND cityHash64(TraceId) % {pieces:UInt32} = {piece:UInt32}
         UNION ALL SELECT TraceId FROM otel_logs
         WHERE IngestedAt > since AND IngestedAt <= until AND cityHash64(TraceId) % {pieces:UInt32} = {piece:UInt32}
         UNION ALL SELECT TraceId FROM trace_events
         WHERE IngestedAt > since AND IngestedAt <= until AND cityHash64(TraceId) % {pieces:UInt32} = {piece:UInt32}
     )
SELECT TraceId AS trace_id, toUnixTimestamp64Milli(min(first)) AS first_ms
FROM (
    SELECT s.TraceId AS TraceId, 0 AS rolled_up, min(s.IngestedAt) AS first, max(s.IngestedAt) AS last, toInt64(count()) AS spans,
           toInt64(countIf(s.ParentSpanId = '')) AS roots, toInt64(0) AS logs
    FROM otel_traces AS s
    WHERE s.IngestedAt > since AND s.IngestedAt <= until AND s.TraceId != '' AND cityHash64(s.TraceId) % {pieces:UInt32} = {piece:UInt32}
    GROUP BY s.TraceId
    UNION ALL
    SELECT s.TraceId, 0, min(s.IngestedAt), max(s.IngestedAt), 0, 0, toInt64(count())
    FROM otel_logs AS s
    WHERE s.IngestedAt > since AND s.IngestedAt <= until AND s.TraceId != '' AND cityHash64(s.TraceId) % {pieces:UInt32} = {piece:UInt32}
      AND s.EventName != 'gen_ai.evaluation.result' AND s.LogAttributes['event.name'] != 'gen_ai.evaluation.result'
    GROUP BY s.TraceId
    UNION ALL
    SELECT r.TraceId, 1, min(r.FirstIngested), max(r.LastIngested), -toInt64(sum(r.Spans)), -toInt64(sum(r.Roots)), -toInt64(sum(r.Logs))
    FROM traces_rollup AS r WHERE r.TraceId IN (ids) GROUP BY r.TraceId
)
GROUP BY TraceId
HAVING max(last) <= until AND NOT (min(first) > since AND sum(spans) = 0 AND sum(roots) = 0 AND sum(logs) = 0)
ORDER BY first_ms, trace_id
