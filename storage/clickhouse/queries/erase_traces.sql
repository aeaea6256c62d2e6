-- Plan of an erasure: every trace of which any span or log names the asked session or user, whoever wrote it.
-- The first branch reads a derived column; the named_by ones read attributes, and only where the index over values has the id: older rows
-- keep the column that was computed when they came, and some senders use keys that no column reads.
SELECT DISTINCT {request:String}, 'trace', TraceId
FROM (
    SELECT TraceId FROM otel_traces WHERE /*column*/ = /*root*/
    UNION ALL SELECT TraceId FROM otel_traces WHERE /*named_by_span*/
    UNION ALL SELECT TraceId FROM otel_traces WHERE /*named_by_resource*/
    UNION ALL SELECT TraceId FROM otel_logs WHERE /*named_by_log*/
    UNION ALL SELECT TraceId FROM otel_logs WHERE /*named_by_resource*/
    UNION ALL SELECT TraceId FROM traces_rollup WHERE /*column*/ = /*root*/
    UNION ALL SELECT TraceId FROM session_traces WHERE {kind:String} = 'session' AND SessionId = /*root*/
)
WHERE TraceId != '' AND TraceId NOT IN (SELECT Id FROM erasing WHERE Request = {request:String} AND Kind = 'trace')
