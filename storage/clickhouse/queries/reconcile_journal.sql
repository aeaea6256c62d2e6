-- Rows that the arrival journal lacks, for a closed window (since, until]: one per (arrival, trace), spans and logs by themselves, as its
-- materialized views write them.  A crash between a part and its views' parts leaves them out.  More in the journal than stored is no fault:
-- copies were removed since, and the journal tells of arrivals.
WITH fromUnixTimestamp64Milli({since_ms:Int64}) AS since, fromUnixTimestamp64Milli({until_ms:Int64}) AS until
SELECT IngestedAt, TraceId, max(SessionId) AS SessionId, toUInt32(greatest(sum(spans), 0)) AS Spans, toUInt32(greatest(sum(roots), 0)) AS Roots,
       toUInt32(greatest(sum(logs), 0)) AS Logs, maxIf(first, stored) AS MinTime, maxIf(last, stored) AS MaxTime
FROM (
    SELECT s.IngestedAt AS IngestedAt, s.TraceId AS TraceId, 1 AS kind, 1 AS stored, max(s.SessionId) AS SessionId, toInt64(count()) AS spans,
           toInt64(countIf(s.ParentSpanId = '')) AS roots, toInt64(0) AS logs, min(s.Timestamp) AS first, max(s.Timestamp) AS last
    FROM otel_traces AS s
    WHERE s.IngestedAt > since AND s.IngestedAt <= until AND s.TraceId != '' AND cityHash64(s.TraceId) % {pieces:UInt32} = {piece:UInt32}
    GROUP BY s.IngestedAt, s.TraceId
    UNION ALL
    SELECT s.IngestedAt, s.TraceId, 2, 1, '', 0, 0, toInt64(count()), toDateTime64(0, 9), toDateTime64(0, 9)
    FROM otel_logs AS s
    WHERE s.IngestedAt > since AND s.IngestedAt <= until AND s.TraceId != '' AND cityHash64(s.TraceId) % {pieces:UInt32} = {piece:UInt32}
      AND s.EventName != 'gen_ai.evaluation.result' AND s.LogAttributes['event.name'] != 'gen_ai.evaluation.result'
    GROUP BY s.IngestedAt, s.TraceId
    UNION ALL
    SELECT e.IngestedAt, e.TraceId, if(e.Logs > 0, 2, 1), 0, '', -toInt64(e.Spans), -toInt64(e.Roots), -toInt64(e.Logs), e.MinTime, e.MaxTime
    FROM trace_events AS e
    WHERE e.IngestedAt > since AND e.IngestedAt <= until AND cityHash64(e.TraceId) % {pieces:UInt32} = {piece:UInt32}
)
GROUP BY IngestedAt, TraceId, kind
HAVING sum(spans) > 0 OR sum(logs) > 0
