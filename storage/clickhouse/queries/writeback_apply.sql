-- Step 2: one UPDATE per batch.  t0/t1 = min/max Timestamp of the batch; one second of slack, because most client libraries cut nanoseconds.  Idempotent: it may be repeated after a crash.
-- optimize_use_projections = 0 guards against the projection bug; update_parallel_mode 'auto' keeps read-modify-write safe ('async' loses keys).
UPDATE otel_traces SET
    EvalKeys = mapKeys(mapFilter((k, v) -> v != '', mapUpdate(CAST((EvalKeys, EvalValues), 'Map(String, String)'), JSONExtract(transform(concat(TraceId, SpanId),
        (SELECT groupArray(id) FROM (SELECT concat(TraceId, SpanId) AS id FROM writeback WHERE BatchId = {batch:UInt64} GROUP BY id ORDER BY id)),
        (SELECT groupArray(js) FROM (SELECT concat(TraceId, SpanId) AS id, toJSONString(mapFromArrays(arrayFlatten(groupArray(mapKeys(Attributes))), arrayFlatten(groupArray(mapValues(Attributes))))) AS js FROM writeback WHERE BatchId = {batch:UInt64} GROUP BY id ORDER BY id)),
        '{}'), 'Map(String, String)')))),
    EvalValues = mapValues(mapFilter((k, v) -> v != '', mapUpdate(CAST((EvalKeys, EvalValues), 'Map(String, String)'), JSONExtract(transform(concat(TraceId, SpanId),
        (SELECT groupArray(id) FROM (SELECT concat(TraceId, SpanId) AS id FROM writeback WHERE BatchId = {batch:UInt64} GROUP BY id ORDER BY id)),
        (SELECT groupArray(js) FROM (SELECT concat(TraceId, SpanId) AS id, toJSONString(mapFromArrays(arrayFlatten(groupArray(mapKeys(Attributes))), arrayFlatten(groupArray(mapValues(Attributes))))) AS js FROM writeback WHERE BatchId = {batch:UInt64} GROUP BY id ORDER BY id)),
        '{}'), 'Map(String, String)'))))
WHERE (ServiceName, SpanName, toDateTime(Timestamp)) IN (SELECT ServiceName, SpanName, toDateTime(Timestamp) FROM writeback WHERE BatchId = {batch:UInt64})
  AND Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}) AND Timestamp < fromUnixTimestamp64Nano({last_ns:Int64}) + toIntervalSecond(1)
  AND TraceId IN (SELECT TraceId FROM writeback WHERE BatchId = {batch:UInt64})
  AND SpanId IN (SELECT SpanId FROM writeback WHERE BatchId = {batch:UInt64})
SETTINGS optimize_use_projections = 0, update_parallel_mode = 'auto'
