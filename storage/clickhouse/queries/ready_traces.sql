-- Complete traces.  ReadyAt = last arrival + grace when the root has ended (longer when several services or logs were seen: other
-- processes' batches are still on their way), else last arrival + idle (also for traces whose root never comes).
-- Taken when ReadyAt lies in (since, until].  Watermark = last arrival, logs included, so late rows make a new candidate.
-- A foreign writer may store any text as an id; what is no trace id is left out here, so that a full page stays a full page.
-- Pages are cut by (ReadyAt, TraceId): the next page has since, after_id = the last row's; after_id = '' starts a window.
WITH ids AS (
    SELECT DISTINCT TraceId FROM trace_events AS e
    WHERE e.IngestedAt >= fromUnixTimestamp64Milli({since_ms:Int64} - {idle_ms:Int64}) AND e.IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
      AND cityHash64(TraceId) % 16 IN {shards:Array(UInt16)} AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]')
)
SELECT t.TraceId AS trace_id, t.Last AS watermark_ms, toUnixTimestamp64Nano(t.T0) AS first_ns, toUnixTimestamp64Nano(t.T1) AS last_ns,
       t.Logs > 0 AS has_logs, t.Spans AS spans, t.Logs AS logs, t.First AS first_ingested_ms, toUnixTimestamp64Nano(t.Anchor.1) AS anchor_ns, t.Anchor.2 AS anchor_span_id,
       t.Anchor.3 AS anchor_service, t.Anchor.4 AS anchor_name, cityHash64(TraceId, 'assay') % 1000000 AS bucket,
       t.Last + if(t.Roots > 0, least({idle_ms:Int64}, if(t.Services > 1 OR t.Logs > 0, {grace_many_ms:Int64}, {grace_one_ms:Int64})), {idle_ms:Int64}) AS ready_ms
FROM (
    SELECT TraceId, toUnixTimestamp64Milli(max(x.LastIngested)) AS Last, toUnixTimestamp64Milli(min(x.FirstIngested)) AS First, min(x.Start) AS T0,
           max(x.LastStart) AS T1, sum(x.Spans) AS Spans, sum(x.Roots) AS Roots, sum(x.Logs) AS Logs,
           length(groupUniqArrayArray(x.ServiceNames)) AS Services, if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot)) AS Anchor
    FROM traces_rollup AS x WHERE TraceId IN (ids) GROUP BY TraceId HAVING Spans > 0 AND Last <= {until_ms:Int64}
) AS t
WHERE ready_ms <= {until_ms:Int64} AND (ready_ms > {since_ms:Int64} OR ({after_id:String} != '' AND ready_ms = {since_ms:Int64} AND trace_id > {after_id:String}))
ORDER BY ready_ms, trace_id
LIMIT {max_rows:UInt32}
