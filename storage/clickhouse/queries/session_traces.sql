-- Traces of one session in order of arrival, with the window of their spans' start times; every row says how many there are.
SELECT m.TraceId AS trace_id, r.first_ns AS first_ns, r.last_ns AS last_ns, r.spans AS spans, count() OVER () AS count
FROM (
    SELECT TraceId, min(s.FirstIngested) AS at FROM session_traces AS s WHERE SessionId = {session_id:String} GROUP BY TraceId
) AS m
INNER JOIN (
    SELECT TraceId, toUnixTimestamp64Nano(min(x.Start)) AS first_ns, toUnixTimestamp64Nano(max(x.LastStart)) AS last_ns, sum(x.Spans) AS spans
    FROM traces_rollup AS x
    WHERE TraceId IN (SELECT TraceId FROM session_traces WHERE SessionId = {session_id:String})
    GROUP BY TraceId HAVING spans > 0
) AS r ON m.TraceId = r.TraceId
ORDER BY m.at, m.TraceId
LIMIT {max_rows:UInt32}
