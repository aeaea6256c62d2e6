-- Spans stored more than once in the last hour, by who wrote them (foreign = not our receiver).
SELECT foreign, count() AS spans, sum(copies - 1) AS extra
FROM (
    SELECT TraceId, SpanId, any(RequestDigest) = toFixedString('', 16) AS foreign, count() AS copies
    FROM otel_traces
    WHERE IngestedAt > now64(3) - toIntervalHour(1) AND SpanId != ''
    GROUP BY TraceId, SpanId HAVING copies > 1
)
GROUP BY foreign
ORDER BY foreign
