-- Kept answers by the digest of the question; of several any serves.
SELECT lower(hex(Key)) AS key, argMax(TraceId, CreatedAt) AS trace_id, argMax(SessionId, CreatedAt) AS session_id, argMax(Response, CreatedAt) AS response
FROM judge_cache
WHERE Key IN (SELECT toFixedString(unhex(arrayJoin({keys:Array(String)})), 32))
GROUP BY Key
