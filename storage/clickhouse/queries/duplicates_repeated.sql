-- Hashes of spans that arrived in a window (since, until] and are perhaps stored more than once; one piece of them.
SELECT cityHash64(SpanId, Timestamp) AS hash FROM otel_traces
WHERE (ServiceName, SpanName, toDateTime(Timestamp)) IN (/*arrived_keys*/) AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
  AND SpanId != '' AND hash % {pieces:UInt32} = {piece:UInt32}
GROUP BY hash HAVING count() > 1 AND max(IngestedAt) > fromUnixTimestamp64Milli({since_ms:Int64})
