-- What aggregates say of the spans of traces or sessions, each span once (the copy that arrived first); a trace of two
-- sessions counts for both.  `targets` are numbers, one beside each trace id.  Rights and expression: see span_values.
SELECT member.2 AS target, (/*expression*/) AS value
FROM (
    SELECT *
    FROM spans
    WHERE TraceId IN {trace_ids:Array(String)}
      AND Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64})
    ORDER BY IngestedAt
    LIMIT 1 BY TraceId, SpanId
) AS span
INNER JOIN (SELECT arrayJoin(arrayZip({trace_ids:Array(String)}, {targets:Array(UInt32)})) AS member) AS part ON span.TraceId = part.member.1
GROUP BY target
