-- Where earlier results of these traces stand: the anchor of the first result of any metric, so that no stale copy stays behind
-- when a root comes late.
SELECT TraceId AS trace_id, argMin((AnchorSpanId, toUnixTimestamp64Nano(AnchorTime), toString(ServiceName), toString(SpanName)), InsertedAt) AS anchor
FROM evaluations
WHERE Level = 'trace' AND TraceId IN {trace_ids:Array(String)} AND AnchorSpanId != ''
GROUP BY TraceId
