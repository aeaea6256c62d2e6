-- The next window of arrivals in (since, until], at most so many seconds long, and how many rows it holds; first_ms NULL: nothing arrived.
-- The journal is asked too: it knows arrivals whose rows were removed since.
WITH fromUnixTimestamp64Milli({since_ms:Int64}) AS since, fromUnixTimestamp64Milli({until_ms:Int64}) AS until,
     arrivals AS (
         SELECT IngestedAt FROM otel_traces WHERE IngestedAt > since AND IngestedAt <= until
         UNION ALL SELECT IngestedAt FROM otel_logs WHERE IngestedAt > since AND IngestedAt <= until
         UNION ALL SELECT IngestedAt FROM trace_events WHERE IngestedAt > since AND IngestedAt <= until
     ),
     (SELECT minOrNull(IngestedAt) FROM arrivals) AS first
SELECT toUnixTimestamp64Milli(first) AS first_ms, countIf(IngestedAt <= first + toIntervalSecond({seconds:UInt32})) AS rows FROM arrivals
