-- When one session is over, by the rules of ready_sessions; no row = unknown.
WITH (
    SELECT groupUniqArray(toUnixTimestamp64Milli(EndedAt)) FROM completions WHERE Level = 'session' AND TargetId = {session_id:String}
) AS ends
SELECT max(r.last_ms) AS watermark_ms, arrayMin(arrayPushBack(arrayFilter(end -> end >= watermark_ms, ends), watermark_ms + {quiet_ms:Int64})) AS ready_ms,
       ready_ms < watermark_ms + {quiet_ms:Int64} AS ended, count() AS traces, countIf(r.roots = 0) AS unrooted,
       cityHash64({session_id:String}, 'assay') % 1000000 AS bucket, toUnixTimestamp64Milli(now64(3)) AS now_ms,
       arraySort(each -> (each.2, each.1), groupArray((m.TraceId, r.start_ns, m.first_ms))) AS started
FROM (
    SELECT TraceId, toUnixTimestamp64Milli(min(s.FirstIngested)) AS first_ms
    FROM session_traces AS s
    WHERE SessionId = {session_id:String} AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]')
    GROUP BY TraceId
) AS m
INNER JOIN (
    SELECT TraceId, toUnixTimestamp64Milli(max(x.LastIngested)) AS last_ms, toUnixTimestamp64Nano(min(x.Start)) AS start_ns, sum(x.Roots) AS roots
    FROM traces_rollup AS x
    WHERE TraceId IN (SELECT TraceId FROM session_traces WHERE SessionId = {session_id:String})
    GROUP BY TraceId
    HAVING sum(x.Spans) > 0
) AS r ON m.TraceId = r.TraceId
HAVING count() > 0
