-- How far a reader by insert time may look, in microseconds: rows get their time when their INSERT starts and become visible
-- when it ends, so never past the start of an INSERT that still runs.  `tables` is a regular expression over their names.
-- An INSERT older than 10 minutes no longer holds readers up: what it brings then is not seen by rules (a backfill would).
-- Needs GRANT SHOW PROCESSES on an external server, or it sees its own user's statements only.
SELECT least(toUnixTimestamp64Micro(now64(6)) - 1000 * {lag_ms:Int64},
             if(countIf(running) = 0, toUnixTimestamp64Micro(now64(6)), minIf(began, running))) AS until_us
FROM (
    SELECT toUnixTimestamp64Micro(now64(6)) - toInt64(elapsed * 1000000) - 10000 AS began,
           query_kind IN ('Insert', 'AsyncInsertFlush') AND match(query, {tables:String}) AND elapsed < 600 AS running
    FROM system.processes
)
