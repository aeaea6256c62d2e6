-- At start: batches that were staged and never proven.
SELECT BatchId AS batch, toUnixTimestamp64Nano(min(Timestamp)) AS first_ns, toUnixTimestamp64Nano(max(Timestamp)) AS last_ns
FROM writeback
WHERE StagedAt > fromUnixTimestamp64Milli({since_ms:Int64})
  AND BatchId NOT IN (SELECT BatchId FROM writeback_batches WHERE VerifiedAt > fromUnixTimestamp64Milli({since_ms:Int64}))
GROUP BY BatchId
ORDER BY BatchId
