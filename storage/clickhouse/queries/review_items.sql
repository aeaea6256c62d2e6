-- Items of a queue by id, or those that an annotator could have: own running reservations first, then in order of coming.
-- What an adjudicator has decided needs nobody's verdict any more.
SELECT toString(ItemId) AS item_id, toString(Queue) AS queue, toString(MetricName) AS metric, toString(Level) AS level, TraceId AS trace_id, SpanId AS span_id,
       SessionId AS session_id, toString(EvaluationId) AS result_id, toString(Source) AS source, Rank AS rank,
       CAST(mapApply((k, v) -> (k, toUnixTimestamp64Milli(v)), Claims), 'Map(String, Int64)') AS claims, Skipped AS skipped, Done AS done,
       toUnixTimestamp64Milli(CreatedAt) AS created_ms
FROM review_items
WHERE Queue = {queue:String}
  AND (empty({items:Array(String)}) OR ItemId IN (SELECT toUUIDOrZero(arrayJoin({items:Array(String)}))))
  AND ({me:String} = '' OR (NOT has(Done, {me:String}) AND NOT has(Skipped, {me:String})
    AND length(mapKeys(mapFilter((k, v) -> k != {me:String} AND v > now64(3), Claims))) + length(Done) < {quorum:UInt16}
    AND (MetricName, Level, TraceId, SpanId, SessionId) NOT IN (
        SELECT MetricName, Level, TraceId, SpanId, SessionId FROM resolutions FINAL
        WHERE MetricName = {metric:String} AND (Status = 'excluded' OR (Status = 'resolved' AND Method = 'adjudicated')))))
ORDER BY Claims[{me:String}] > now64(3) DESC, CreatedAt, Rank, ItemId
LIMIT {max_rows:UInt64}
