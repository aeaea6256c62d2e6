-- Complete traces.  ReadyAt = the first explicit end (MarkComplete, attribute assay.trace.end) that nothing arrived after; else last arrival + grace
-- when the root has ended (longer when several services or logs were seen: other processes' batches are still on their way), else last
-- arrival + idle (also for traces whose root never comes).
-- Taken when ReadyAt lies in (since, until].  Watermark = last arrival, logs included, so late rows make a new candidate.
-- `touched` reads the journal as far back as anything that is ready now can have arrived, and keeps what can be: the rollup, which is sorted by id,
-- is asked for as few traces as possible.  `every` = what arrived in the window is asked for, whenever it was ready.
-- `arriving` = as something of a trace arrives, complete or not: ReadyAt = its newest arrival of the window.
-- A foreign writer may store any text as an id; what is no trace id is left out here, so that a full page stays a full page.
-- Pages are cut by (ReadyAt, TraceId): the next page has since, after_id = the last row's; after_id = '' starts a window.
WITH touched AS (
    SELECT TraceId, toUnixTimestamp64Milli(max(e.IngestedAt)) AS Arrived
    FROM trace_events AS e
    WHERE e.IngestedAt > fromUnixTimestamp64Milli({arrived_from_ms:Int64}) AND e.IngestedAt <= fromUnixTimestamp64Milli({arrived_until_ms:Int64})
      AND cityHash64(TraceId) % 16 IN {shards:Array(UInt16)} AND cityHash64(TraceId, 'assay') % 1000000 < {sample_ppm:UInt32}
      AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]')
    GROUP BY TraceId
    HAVING {every:Bool} OR (Arrived + {grace_one_ms:Int64} >= {since_ms:Int64} AND Arrived + {grace_one_ms:Int64} <= {until_ms:Int64})
        OR (Arrived + {grace_many_ms:Int64} >= {since_ms:Int64} AND Arrived + {grace_many_ms:Int64} <= {until_ms:Int64})
        OR (Arrived + {idle_ms:Int64} >= {since_ms:Int64} AND Arrived + {idle_ms:Int64} <= {until_ms:Int64} AND sum(e.Roots) = 0)
        OR TraceId IN (SELECT TargetId FROM completions WHERE Level = 'trace' AND EndedAt >= fromUnixTimestamp64Milli({since_ms:Int64}) AND EndedAt <= fromUnixTimestamp64Milli({until_ms:Int64}))
)
SELECT t.TraceId AS trace_id, t.Last AS watermark_ms, toUnixTimestamp64Nano(t.T0) AS first_ns, toUnixTimestamp64Nano(t.T1) AS last_ns,
       t.Logs > 0 AS has_logs, t.Spans AS spans, t.Logs AS logs, t.First AS first_ingested_ms, toUnixTimestamp64Nano(t.Anchor.1) AS anchor_ns, t.Anchor.2 AS anchor_span_id,
       t.Anchor.3 AS anchor_service, t.Anchor.4 AS anchor_name, cityHash64(TraceId, 'assay') % 1000000 AS bucket,
       if({arriving:Bool}, j.Arrived, greatest(t.Last, j.Arrived)) AS arrived_ms,
       arrived_ms + if(t.Roots > 0, if(t.Services > 1 OR t.Logs > 0, {grace_many_ms:Int64}, {grace_one_ms:Int64}), {idle_ms:Int64}) AS quiet_ms,
       arrayMin(arrayPushBack(arrayFilter(end -> end >= arrived_ms, c.Ends), quiet_ms)) AS ready_ms
FROM (
    SELECT TraceId, toUnixTimestamp64Milli(max(x.LastIngested)) AS Last, toUnixTimestamp64Milli(min(x.FirstIngested)) AS First, min(x.Start) AS T0,
           max(x.LastStart) AS T1, sum(x.Spans) AS Spans, sum(x.Roots) AS Roots, sum(x.Logs) AS Logs,
           length(groupUniqArrayArray(x.ServiceNames)) AS Services, if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot)) AS Anchor
    FROM traces_rollup AS x WHERE TraceId IN (SELECT TraceId FROM touched) GROUP BY TraceId HAVING Spans > 0 AND ({arriving:Bool} OR Last <= {until_ms:Int64})
) AS t
INNER JOIN touched AS j ON t.TraceId = j.TraceId
LEFT JOIN (
    SELECT TargetId, groupUniqArray(toUnixTimestamp64Milli(y.EndedAt)) AS Ends FROM completions AS y
    WHERE Level = 'trace' AND y.EndedAt > fromUnixTimestamp64Milli({arrived_from_ms:Int64}) AND y.EndedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
    GROUP BY TargetId
) AS c ON t.TraceId = c.TargetId
WHERE ready_ms <= {until_ms:Int64} AND (ready_ms > {since_ms:Int64} OR ({after_id:String} != '' AND ready_ms = {since_ms:Int64} AND trace_id > {after_id:String}))
ORDER BY ready_ms, trace_id
LIMIT {max_rows:UInt32}
