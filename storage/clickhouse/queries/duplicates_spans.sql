-- Surplus copies of the spans that arrived in a closed window (since, until], whenever their first copy came.
-- A copy has the same ids and is equal in every column but those of its arrival and of results; attributes in any order, because
-- clickhouseexporter sorts them.  Rows that share their ids and differ are no copies: some senders use ids again.
-- Copies stand in the order in which they became visible (block numbers are given out at the commit).  The first is never surplus, whoever
-- asks and whenever: so one copy of every span survives, however statements overlap or are cut off.  It has every result that a later copy
-- has, because write-back updates all copies that it sees; a row of which that is not true is left alone.
-- Contents are read of spans that seem to be repeated, and no others.
WITH fromUnixTimestamp64Milli({until_ms:Int64}) AS until
SELECT partition, block_number, block_offset, foreign
FROM (
    SELECT _partition_id AS partition, _block_number AS block_number, _block_offset AS block_offset, RequestDigest = toFixedString('', 16) AS foreign, EvalKeys AS results,
           sipHash128(* EXCEPT (IngestedAt, RequestDigest, RequestRows, EvalKeys, EvalValues, ResourceAttributes, SpanAttributes, `Events.Attributes`, `Links.Attributes`),
                      arraySort(CAST(ResourceAttributes, 'Array(Tuple(String, String))')), arraySort(CAST(SpanAttributes, 'Array(Tuple(String, String))')),
                      arrayMap(m -> arraySort(CAST(m, 'Array(Tuple(String, String))')), `Events.Attributes`),
                      arrayMap(m -> arraySort(CAST(m, 'Array(Tuple(String, String))')), `Links.Attributes`)) AS content,
           row_number() OVER copies AS copy, first_value(EvalKeys) OVER copies AS first_results
    FROM otel_traces
    WHERE (ServiceName, SpanName, toDateTime(Timestamp)) IN (/*arrived_keys*/) AND IngestedAt <= until
      AND cityHash64(SpanId, Timestamp) IN (/*duplicates_repeated*/) AND TraceId != '' AND SpanId != ''
    WINDOW copies AS (PARTITION BY TraceId, SpanId, content ORDER BY _block_number, _block_offset)
)
WHERE copy > 1 AND hasAll(first_results, results)
