-- Write-back, one writer (lease 'writeback'): after 1 s or 1000 results, whichever is EARLIER, but at most one UPDATE a second; at most 10 k per batch.
-- Step 1: stage results that were inserted since the cursor (minus lag) and not staged yet - with the CURRENT outcome of their target, failed ones included.
-- Rows whose batch was read back and not found there (writeback_batches.Missing) are staged again after 10 s, as long as lag reaches back to them; a sweep with lag = 1 day every 10 minutes takes the rest.
-- The MetricName and TargetHour conditions repeat what EvaluationId says, in terms of the sorting key.
INSERT INTO writeback (BatchId, EvaluationId, Attempt, TraceId, SpanId, Timestamp, ServiceName, SpanName, Attributes)
SELECT {batch:UInt64}, EvaluationId, Attempt, AnchorTraceId, AnchorSpanId, AnchorTime, ServiceName, SpanName, CAST(Attributes, 'Map(String, String)')
FROM evaluation_attributes
WHERE (EvaluationId, Attempt) IN (SELECT EvaluationId, Attempt FROM evaluations WHERE InsertedAt > fromUnixTimestamp64Milli({cursor_ms:Int64}) - toIntervalSecond({lag:UInt32}) AND Purpose IN ('online', 'ondemand', 'backfill', 'recompute'))
  AND MetricName IN (SELECT MetricName FROM evaluations WHERE InsertedAt > fromUnixTimestamp64Milli({cursor_ms:Int64}) - toIntervalSecond({lag:UInt32}))
  AND TargetHour >= (SELECT toStartOfHour(min(TargetTime)) FROM evaluations WHERE InsertedAt > fromUnixTimestamp64Milli({cursor_ms:Int64}) - toIntervalSecond({lag:UInt32}))
  AND TargetHour <= (SELECT max(TargetTime) FROM evaluations WHERE InsertedAt > fromUnixTimestamp64Milli({cursor_ms:Int64}) - toIntervalSecond({lag:UInt32}))
  AND (EvaluationId, Attempt) NOT IN (SELECT EvaluationId, Attempt FROM writeback WHERE StagedAt > fromUnixTimestamp64Milli({cursor_ms:Int64}) - toIntervalSecond(2 * {lag:UInt32})
        AND (BatchId, TraceId, SpanId) NOT IN (SELECT BatchId, m.1, m.2 FROM writeback_batches ARRAY JOIN Missing AS m WHERE VerifiedAt > fromUnixTimestamp64Milli({cursor_ms:Int64}) - toIntervalSecond(2 * {lag:UInt32}) AND VerifiedAt <= now64(3) - toIntervalSecond({retry_after:UInt32})))
  AND AnchorSpanId != ''
ORDER BY InsertedAt
LIMIT {max_rows:UInt32}
