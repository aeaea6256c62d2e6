-- Which traces of a closed window (since, until] their session does not know.
WITH fromUnixTimestamp64Milli({since_ms:Int64}) AS since, fromUnixTimestamp64Milli({until_ms:Int64}) AS until
SELECT s.SessionId AS SessionId, s.TraceId AS TraceId, min(s.IngestedAt) AS FirstIngested
FROM otel_traces AS s
WHERE s.IngestedAt > since AND s.IngestedAt <= until AND s.SessionId != '' AND s.TraceId != '' AND cityHash64(s.TraceId) % {pieces:UInt32} = {piece:UInt32}
  AND (s.SessionId, s.TraceId) NOT IN (
      SELECT SessionId, TraceId FROM session_traces
      WHERE SessionId IN (
          SELECT SessionId FROM otel_traces
          WHERE IngestedAt > since AND IngestedAt <= until AND SessionId != '' AND cityHash64(TraceId) % {pieces:UInt32} = {piece:UInt32}))
GROUP BY s.SessionId, s.TraceId
