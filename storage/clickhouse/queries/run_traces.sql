-- A page of a run's traces, in order of (start, id), strictly after the last row of the page before.
-- A trace that starts in the window has a row of the rollup that does; only those are put together.
SELECT TraceId AS trace_id, '' AS span_id, toUnixTimestamp64Nano(T0) AS start_ns, '' AS observation_kind
FROM (
    SELECT TraceId, min(x.Start) AS T0, sum(x.Spans) AS Spans, min(x.FirstIngested) AS First
    FROM traces_rollup AS x
    WHERE TraceId IN (
        SELECT TraceId FROM traces_rollup AS y
        WHERE y.Start >= fromUnixTimestamp64Nano({after_ns:Int64}) AND y.Start < fromUnixTimestamp64Nano({until_ns:Int64})
          AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]')
          AND cityHash64(TraceId, 'assay') % 1000000 < {sample_ppm:UInt32})
    GROUP BY TraceId
    HAVING Spans > 0 AND First <= fromUnixTimestamp64Milli({arrived_ms:Int64})
)
WHERE T0 < fromUnixTimestamp64Nano({until_ns:Int64})
  AND (T0, TraceId, {after_span_id:String}) > (fromUnixTimestamp64Nano({after_ns:Int64}), {after_id:String}, {after_span_id:String})
ORDER BY T0, TraceId
LIMIT {max_rows:UInt32}
