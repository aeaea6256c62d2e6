-- Rows without ids of their own (log records, spans without ids) that were stored again with their whole request: parts of requests, by
-- (digest, arrival, day), that arrived in a closed window (since, until] and hold exactly the rows that an earlier arrival of the same request
-- stored of that day.  An INSERT is atomic per day, so a part is whole or not there.  Anything else is left alone: alike is not the same.
-- The earliest part is never surplus, whoever asks and whenever.
WITH fromUnixTimestamp64Milli({since_ms:Int64}) AS since, fromUnixTimestamp64Milli({until_ms:Int64}) AS until,
     arrived AS (
         SELECT RequestDigest, /*keys*/ AS key FROM /*table*/
         WHERE IngestedAt > since AND IngestedAt <= until AND RequestDigest != toFixedString('', 16) AND /*rows*/
         GROUP BY 1, 2
     ),
     again AS (
         SELECT RequestDigest FROM /*table*/
         WHERE /*keys*/ IN (SELECT key FROM arrived) AND RequestDigest IN (SELECT RequestDigest FROM arrived) AND IngestedAt <= until AND /*rows*/
         GROUP BY RequestDigest, toDate(Timestamp) HAVING uniqExact(IngestedAt) > 1
     )
SELECT digest, toUnixTimestamp64Milli(arrival) AS arrival_ms, toString(day) AS day, n AS rows, trace_ids
FROM (
    SELECT digest, arrival, day, n, trace_ids, row_number() OVER (PARTITION BY digest, day, contents ORDER BY arrival) AS copy
    FROM (
        SELECT hex(RequestDigest) AS digest, IngestedAt AS arrival, toDate(Timestamp) AS day, count() AS n, groupUniqArray(1000)(TraceId) AS trace_ids,
               sipHash128(arraySort(groupArray(sipHash128(* EXCEPT (IngestedAt/*results*/))))) AS contents
        FROM /*table*/
        WHERE /*keys*/ IN (SELECT key FROM arrived) AND RequestDigest IN (again) AND IngestedAt <= until AND /*rows*/
        GROUP BY digest, arrival, day
    )
)
WHERE copy > 1 AND arrival > since
ORDER BY arrival, digest, day
LIMIT {max_rows:UInt32}
