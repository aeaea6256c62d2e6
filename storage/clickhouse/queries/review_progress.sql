-- How far queues are, each with its quorum.  What somebody decided is resolved, however many verdicts there are.
SELECT queue, count() AS items, countIf(decided OR (full AND NOT differ)) AS resolved, countIf(differ) AS disputed,
       countIf(notEmpty(done) AND NOT full AND NOT differ AND NOT decided) AS in_review, countIf(held) AS reserved,
       countIf(NOT full AND NOT decided) AS waiting, groupArrayArray(done) AS verdicts
FROM (
    SELECT toString(Queue) AS queue, Done AS done, length(Done) >= transform(toString(Queue), {names:Array(String)}, {quorums:Array(UInt16)}, toUInt16(1)) AS full,
           arrayExists(v -> v > now64(3), mapValues(Claims)) AS held,
           standing = 'disputed' AND notEmpty(Done) AS differ, standing = 'excluded' OR (standing = 'resolved' AND method = 'adjudicated') AS decided
    FROM review_items AS i
    LEFT JOIN (
        SELECT MetricName AS metric, Level AS level, TraceId AS trace_id, SpanId AS span_id, SessionId AS session_id,
               toString(argMax(Status, UpdatedAt)) AS standing, toString(argMax(Method, UpdatedAt)) AS method
        FROM resolutions WHERE MetricName IN (SELECT MetricName FROM review_items WHERE Queue IN {names:Array(String)})
        GROUP BY metric, level, trace_id, span_id, session_id
    ) AS r ON r.metric = i.MetricName AND r.level = i.Level AND r.trace_id = i.TraceId AND r.span_id = i.SpanId AND r.session_id = i.SessionId
    WHERE Queue IN {names:Array(String)}
)
GROUP BY queue
