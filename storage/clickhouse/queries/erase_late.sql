-- What arrived in the last day under the id of a trace that had been erased before: a sender's retry, or a result that was under way.
SELECT what, uniqExact(TraceId) AS traces
FROM (
    SELECT 'spans' AS what, TraceId, max(IngestedAt) AS at FROM otel_traces
    WHERE IngestedAt > now64(3) - toIntervalDay(1) AND sipHash128(TraceId) IN (SELECT arrayJoin(Traces) FROM erasures) GROUP BY TraceId
    UNION ALL
    SELECT 'logs', TraceId, max(IngestedAt) FROM otel_logs
    WHERE IngestedAt > now64(3) - toIntervalDay(1) AND sipHash128(TraceId) IN (SELECT arrayJoin(Traces) FROM erasures) GROUP BY TraceId
    UNION ALL
    SELECT 'results', TraceId, max(InsertedAt) FROM evaluations
    WHERE InsertedAt > now64(3) - toIntervalDay(1) AND sipHash128(TraceId) IN (SELECT arrayJoin(Traces) FROM erasures) GROUP BY TraceId
) AS late
INNER JOIN (SELECT arrayJoin(Traces) AS digest, max(FinishedAt) AS erased_at FROM erasures GROUP BY digest) AS gone ON sipHash128(late.TraceId) = gone.digest
WHERE late.at > gone.erased_at
GROUP BY what ORDER BY what
