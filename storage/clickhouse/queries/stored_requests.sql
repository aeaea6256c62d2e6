-- Requests of one table that arrived in (after, until] and are there with all their rows, newest first; and how far that is settled.
-- An INSERT is atomic per partition and nothing more, so that a request may be stored in part, and a part of it twice.  What one INSERT put
-- into one partition is all that the request has there: the greatest count of a partition is right, however often it was stored, and the
-- request is complete where those counts add up to RequestRows.  A plain count() would take a half that is stored twice for the whole.
-- settled_us: INSERTs that began before have ended.  One may end between the two reads of this statement, so whoever asks again starts
-- where the answer before the last one was settled.  INSERTs older than 10 minutes hold nobody up.
SELECT groupArray(digest) AS digests, toUnixTimestamp64Micro(now64(6)) AS now_us,
       (SELECT min(if(query_kind IN ('Insert', 'AsyncInsertFlush') AND match(query, {target:String}) AND elapsed < 600,
                      toUnixTimestamp64Micro(now64(6)) - toInt64(elapsed * 1000000) - 10000, toUnixTimestamp64Micro(now64(6))))
        FROM system.processes) AS settled_us
FROM (
    SELECT digest, max(at) AS at
    FROM (
        SELECT digest, any(rows) AS rows, max(copy) AS copy, max(at) AS at
        FROM (
            SELECT RequestDigest AS digest, any(RequestRows) AS rows, _partition_id AS partition, IngestedAt AS at, count() AS copy
            FROM {table:Identifier}
            WHERE IngestedAt > fromUnixTimestamp64Micro({after_us:Int64}) AND IngestedAt <= fromUnixTimestamp64Micro({until_us:Int64})
              AND RequestDigest != toFixedString('', 16)
            GROUP BY digest, partition, at
        )
        GROUP BY digest, partition
    )
    GROUP BY digest HAVING sum(copy) = any(rows)
    ORDER BY at DESC
    LIMIT {max_rows:UInt32}
)
SETTINGS max_threads = 1
