-- Where traces stand, from the rollup: first arrival (it never moves), newest arrival, window of start times, anchor.
SELECT TraceId AS trace_id, toUnixTimestamp64Nano(min(x.Start)) AS first_ns, toUnixTimestamp64Nano(max(x.LastStart)) AS last_ns,
       toUnixTimestamp64Milli(min(x.FirstIngested)) AS first_ingested_ms,
       toUnixTimestamp64Milli(max(x.LastIngested)) AS watermark_ms, sum(x.Spans) AS spans, sum(x.Logs) AS logs,
       if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot)) AS anchor,
       toUnixTimestamp64Nano(tupleElement(anchor, 1)) AS anchor_ns, tupleElement(anchor, 2) AS anchor_span_id,
       tupleElement(anchor, 3) AS anchor_service, tupleElement(anchor, 4) AS anchor_name
FROM traces_rollup AS x
WHERE TraceId IN {trace_ids:Array(String)}
GROUP BY TraceId
HAVING sum(x.Spans) > 0
