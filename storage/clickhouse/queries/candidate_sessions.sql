-- Sessions of a page that somebody wants; groups as in candidate_spans, by the hash of the session id.
-- The filter sees what that of a trace sees (candidate_traces), of the trace that started first.
SELECT SessionId AS session_id, /*groups*/ AS wanted
FROM (
    SELECT t.*, m.SessionId AS SessionId, s.Timestamp AS Timestamp, s.SpanId AS SpanId, s.ParentSpanId AS ParentSpanId, s.SpanName AS SpanName, s.SpanKind AS SpanKind,
           s.ServiceName AS ServiceName, s.ScopeName AS ScopeName, s.Duration AS Duration, s.StatusCode AS StatusCode, s.StatusMessage AS StatusMessage,
           s.SpanAttributes AS SpanAttributes, s.ResourceAttributes AS ResourceAttributes, s.ObservationKind AS ObservationKind, s.Model AS Model
    FROM (
        SELECT pair.1 AS SessionId, pair.2 AS FirstTraceId
        FROM (SELECT arrayJoin(arrayZip({session_ids:Array(String)}, {first_trace_ids:Array(String)})) AS pair)
        WHERE cityHash64(SessionId, 'assay') % 1000000 < {most_ppm:UInt32}
    ) AS m
    INNER JOIN (
        SELECT TraceId, min(x.Start) AS Start, max(x.End) AS End, sum(x.Spans) AS Spans, sum(x.Roots) AS Roots, sum(x.Logs) > 0 AS HasLogs,
               length(groupUniqArrayArray(x.ServiceNames)) AS Services, sum(x.ErrorSpans) AS ErrorSpans, sum(x.LlmSpansReported) AS LlmSpansReported,
               sum(x.InputTokensReported) AS InputTokensReported, sum(x.OutputTokensReported) AS OutputTokensReported, sum(x.CostUsdReported) AS CostUsdReported,
               dateDiff('millisecond', Start, End) AS DurationMs, toString(max(x.Environment)) AS Environment, max(x.UserId) AS UserId,
               if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot)) AS Anchor, tupleElement(Anchor, 2) AS RootSpanId, tupleElement(Anchor, 3) AS RootService, tupleElement(Anchor, 4) AS RootName
        FROM traces_rollup AS x
        WHERE TraceId IN {trace_ids:Array(String)}
        GROUP BY TraceId HAVING Spans > 0
    ) AS t ON t.TraceId = m.FirstTraceId
    INNER JOIN (
        SELECT * EXCEPT (EvalKeys, EvalValues), ObservationKind, Model FROM otel_traces
        WHERE Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64})
          AND TraceId IN {trace_ids:Array(String)}
        ORDER BY TraceId, SpanId, IngestedAt LIMIT 1 BY TraceId, SpanId
    ) AS s ON s.TraceId = t.TraceId AND s.SpanId = t.RootSpanId
)
WHERE notEmpty(wanted)
ORDER BY session_id
