-- Sessions that are over.  ReadyAt = the first explicit end (MarkComplete, attribute assay.session.end) that nothing arrived after; else the last arrival
-- of any of its traces, logs included, + quiet.  Taken when ReadyAt lies in (since, until].  Watermark = last arrival.
-- `touched` = sessions of which something arrived long enough ago, or which were ended; what goes on within ten minutes of that is left out early,
-- because a conversation would be put together anew for each of its turns.  `every` = what arrived in the window is asked for, whenever it was ready.
-- A late span or log without a session id wakes all sessions of its trace.  The trace that started first, as known now, is the one that filters test;
-- the anchor is on the trace that arrived first.  Pages as in ready_traces.
WITH touched AS (
    SELECT DISTINCT id
    FROM (
        SELECT arrayJoin(arrayConcat(x.SessionIds, [x.SessionId])) AS id, 0 AS ended
        FROM traces_rollup AS x
        WHERE TraceId IN (
            SELECT TraceId FROM trace_events
            WHERE IngestedAt > fromUnixTimestamp64Milli({arrived_from_ms:Int64}) AND IngestedAt <= fromUnixTimestamp64Milli({arrived_until_ms:Int64}))
        UNION ALL
        SELECT TargetId, 1 FROM completions
        WHERE Level = 'session' AND EndedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
          AND EndedAt >= fromUnixTimestamp64Milli(if({every:Bool}, {arrived_from_ms:Int64}, {since_ms:Int64}))
    )
    WHERE id != '' AND length(id) <= 32768 AND cityHash64(id) % 16 IN {shards:Array(UInt16)} AND cityHash64(id, 'assay') % 1000000 < {sample_ppm:UInt32}
      AND (ended OR id NOT IN (
            SELECT SessionId FROM trace_events
            WHERE IngestedAt > fromUnixTimestamp64Milli({until_ms:Int64} - {quiet_ms:Int64})
              AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64} - greatest(0, {quiet_ms:Int64} - 600000))))
)
SELECT m.SessionId AS session_id, max(t.Last) AS watermark_ms, min(m.First) AS first_ingested_ms, toUnixTimestamp64Nano(min(t.T0)) AS first_ns,
       toUnixTimestamp64Nano(max(t.T1)) AS last_ns, sum(t.Spans) AS spans, sum(t.Logs) AS logs, count() AS traces,
       argMin((t.TraceId, t.Anchor.2, toUnixTimestamp64Nano(t.Anchor.1), t.Anchor.3, t.Anchor.4), (m.First, t.TraceId)) AS anchor,
       argMin((t.TraceId, toUnixTimestamp64Nano(t.T0), toUnixTimestamp64Nano(t.T1)), (t.T0, t.TraceId)) AS started_first,
       cityHash64(m.SessionId, 'assay') % 1000000 AS bucket,
       arrayMin(arrayPushBack(arrayFilter(end -> end >= watermark_ms, any(c.Ends)), watermark_ms + {quiet_ms:Int64})) AS ready_ms
FROM (
    SELECT SessionId, TraceId, toUnixTimestamp64Milli(min(y.FirstIngested)) AS First
    FROM session_traces AS y
    WHERE SessionId IN (touched) AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]')
    GROUP BY SessionId, TraceId
) AS m
INNER JOIN (
    SELECT TraceId, toUnixTimestamp64Milli(max(x.LastIngested)) AS Last, min(x.Start) AS T0, max(x.LastStart) AS T1, sum(x.Spans) AS Spans, sum(x.Logs) AS Logs,
           if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot)) AS Anchor
    FROM traces_rollup AS x
    WHERE TraceId IN (SELECT TraceId FROM session_traces WHERE SessionId IN (touched))
    GROUP BY TraceId
    HAVING Spans > 0
) AS t ON m.TraceId = t.TraceId
LEFT JOIN (
    SELECT TargetId, groupUniqArray(toUnixTimestamp64Milli(z.EndedAt)) AS Ends
    FROM completions AS z
    WHERE Level = 'session' AND z.EndedAt > fromUnixTimestamp64Milli({arrived_from_ms:Int64}) AND z.EndedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
    GROUP BY TargetId
) AS c ON m.SessionId = c.TargetId
GROUP BY session_id
HAVING watermark_ms <= {until_ms:Int64} AND ready_ms <= {until_ms:Int64}
   AND (ready_ms > {since_ms:Int64} OR ({after_id:String} != '' AND ready_ms = {since_ms:Int64} AND session_id > {after_id:String}))
ORDER BY ready_ms, session_id
LIMIT {max_rows:UInt32}
