-- The first explicit end of a trace or session that nothing arrived after; no row = there is none.
WITH (
    SELECT max(x.LastIngested) FROM traces_rollup AS x
    WHERE TraceId IN (
        SELECT {target_id:String} WHERE {level:String} = 'trace'
        UNION ALL SELECT TraceId FROM session_traces WHERE {level:String} = 'session' AND SessionId = {target_id:String})
) AS arrived
SELECT toUnixTimestamp64Milli(min(EndedAt)) AS at_ms, arrived > toDateTime64(0, 3) AS stored
FROM completions
WHERE Level = {level:String} AND TargetId = {target_id:String} AND EndedAt >= arrived
HAVING count() > 0
