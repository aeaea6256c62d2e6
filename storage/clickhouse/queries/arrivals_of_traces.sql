-- What arrived of some traces in a window, in order of time.
SELECT TraceId AS trace_id, toUnixTimestamp64Milli(IngestedAt) AS at_ms, toUInt64(sum(e.Roots)) AS roots, toUInt64(sum(e.Logs)) AS logs
FROM trace_events AS e
WHERE IngestedAt >= fromUnixTimestamp64Milli({from_ms:Int64}) AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64}) AND TraceId IN {trace_ids:Array(String)}
GROUP BY trace_id, IngestedAt
ORDER BY trace_id, at_ms
