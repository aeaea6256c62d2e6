-- When one trace is complete, by the rules of ready_traces; no row = unknown.
WITH (
    SELECT groupUniqArray(toUnixTimestamp64Milli(EndedAt)) FROM completions WHERE Level = 'trace' AND TargetId = {trace_id:String}
) AS ends
SELECT sum(x.Roots) > 0 AS rooted, toUnixTimestamp64Milli(max(x.LastIngested)) AS watermark_ms,
       watermark_ms + if(rooted, least({idle_ms:Int64}, if(sum(x.Logs) > 0 OR length(groupUniqArrayArray(x.ServiceNames)) > 1, {grace_many_ms:Int64}, {grace_one_ms:Int64})), {idle_ms:Int64}) AS quiet_ms,
       arrayMin(arrayPushBack(arrayFilter(end -> end >= watermark_ms, ends), quiet_ms)) AS ready_ms, ready_ms < quiet_ms AS ended,
       cityHash64({trace_id:String}, 'assay') % 1000000 AS bucket, toUnixTimestamp64Milli(now64(3)) AS now_ms
FROM traces_rollup AS x
WHERE TraceId = {trace_id:String}
HAVING sum(x.Spans) > 0
