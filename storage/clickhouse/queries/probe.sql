-- How far a poll may look (as safe_until), and when something arrived or was ended last: where that is long ago, nothing can have become ready since.
-- The newest rows are known without reading any: both tables are partitioned by these times.
SELECT least(toUnixTimestamp64Micro(now64(6)) - 1000 * {lag_ms:Int64},
             if(countIf(running) = 0, toUnixTimestamp64Micro(now64(6)), minIf(began, running))) AS until_us,
       greatest((SELECT toUnixTimestamp64Milli(max(IngestedAt)) FROM trace_events), (SELECT toUnixTimestamp64Milli(max(EndedAt)) FROM completions)) AS newest_ms
FROM (
    SELECT toUnixTimestamp64Micro(now64(6)) - toInt64(elapsed * 1000000) - 10000 AS began,
           query_kind IN ('Insert', 'AsyncInsertFlush') AND match(query, {tables:String}) AND elapsed < 600 AS running
    FROM system.processes
)
