-- Traces of some sessions, with where each trace stands (as locate_traces does) and when its first row with the session's id arrived.
-- A foreign writer may store any text as a trace id; what is none is left out.
SELECT m.SessionId AS session_id, m.first_ms AS session_first_ms, r.*
FROM (
    SELECT SessionId, TraceId, toUnixTimestamp64Milli(min(s.FirstIngested)) AS first_ms
    FROM session_traces AS s
    WHERE SessionId IN {session_ids:Array(String)} AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]')
    GROUP BY SessionId, TraceId
) AS m
INNER JOIN (
    SELECT TraceId AS trace_id, toUnixTimestamp64Nano(min(x.Start)) AS first_ns, toUnixTimestamp64Nano(max(x.LastStart)) AS last_ns,
           toUnixTimestamp64Milli(min(x.FirstIngested)) AS first_ingested_ms,
           toUnixTimestamp64Milli(max(x.LastIngested)) AS watermark_ms, sum(x.Spans) AS spans, sum(x.Logs) AS logs,
           if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot)) AS anchor,
           toUnixTimestamp64Nano(tupleElement(anchor, 1)) AS anchor_ns, tupleElement(anchor, 2) AS anchor_span_id,
           tupleElement(anchor, 3) AS anchor_service, tupleElement(anchor, 4) AS anchor_name
    FROM traces_rollup AS x
    WHERE TraceId IN (SELECT TraceId FROM session_traces WHERE SessionId IN {session_ids:Array(String)})
    GROUP BY trace_id
    HAVING spans > 0
) AS r ON m.TraceId = r.trace_id
ORDER BY session_id, session_first_ms, trace_id
