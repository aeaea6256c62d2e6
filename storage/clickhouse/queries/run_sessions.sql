-- A page of a run's sessions, in order of (start, id), strictly after the last row of the page before; and the trace of each that started first.
-- A session that starts in the window has a trace that does; only those are put together.
SELECT SessionId AS session_id, toUnixTimestamp64Nano(T0) AS start_ns, FirstTrace AS first_trace_id
FROM (
    SELECT m.SessionId AS SessionId, min(t.Start) AS T0, argMin(m.TraceId, (t.Start, m.TraceId)) AS FirstTrace, min(m.First) AS First
    FROM (
        SELECT SessionId, TraceId, min(y.FirstIngested) AS First
        FROM session_traces AS y
        WHERE SessionId != '' AND cityHash64(SessionId, 'assay') % 1000000 < {sample_ppm:UInt32}
          AND SessionId IN (
            SELECT SessionId FROM session_traces WHERE TraceId IN (
                SELECT TraceId FROM traces_rollup AS z
                WHERE z.Start >= fromUnixTimestamp64Nano({after_ns:Int64}) AND z.Start < fromUnixTimestamp64Nano({until_ns:Int64})))
        GROUP BY SessionId, TraceId
    ) AS m
    INNER JOIN (SELECT TraceId, min(x.Start) AS Start FROM traces_rollup AS x GROUP BY TraceId HAVING sum(x.Spans) > 0) AS t ON m.TraceId = t.TraceId
    GROUP BY SessionId
    HAVING First <= fromUnixTimestamp64Milli({arrived_ms:Int64})
)
WHERE T0 < fromUnixTimestamp64Nano({until_ns:Int64})
  AND (T0, SessionId, {after_span_id:String}) > (fromUnixTimestamp64Nano({after_ns:Int64}), {after_id:String}, {after_span_id:String})
ORDER BY T0, SessionId
LIMIT {max_rows:UInt32}
