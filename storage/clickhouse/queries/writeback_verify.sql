-- Step 3: prove it.  missing > 0: repeat step 2 once; then record what is left (writeback_batches): the span was dropped by TTL, or is not there yet.
SELECT count() AS staged, groupArrayIf((w.TraceId, w.SpanId), s.SpanId = '' OR notEmpty(mapFilter((k, v) -> v != '' AND s.Have[k] != v, w.Want))) AS missing
FROM (SELECT TraceId, SpanId, mapFromArrays(arrayFlatten(groupArray(mapKeys(Attributes))), arrayFlatten(groupArray(mapValues(Attributes)))) AS Want FROM writeback WHERE BatchId = {batch:UInt64} GROUP BY TraceId, SpanId) AS w
LEFT JOIN (SELECT TraceId, SpanId, any(CAST((EvalKeys, EvalValues), 'Map(String, String)')) AS Have FROM otel_traces
           WHERE (ServiceName, SpanName, toDateTime(Timestamp)) IN (SELECT ServiceName, SpanName, toDateTime(Timestamp) FROM writeback WHERE BatchId = {batch:UInt64})
             AND Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp < fromUnixTimestamp64Nano({last_ns:Int64}) + toIntervalSecond(1)
             AND SpanId IN (SELECT SpanId FROM writeback WHERE BatchId = {batch:UInt64}) GROUP BY TraceId, SpanId) AS s
ON w.TraceId = s.TraceId AND w.SpanId = s.SpanId
