-- Plan of an erasure: sessions that lose a trace.  What was concluded about them was concluded from its content, too.
INSERT INTO erasing (Request, Kind, Id)
SELECT DISTINCT {request:String}, 'session', SessionId
FROM (
    SELECT Id AS SessionId FROM erasing WHERE Request = {request:String} AND Kind = 'root_session'
    UNION ALL SELECT SessionId FROM session_traces WHERE TraceId IN (SELECT Id FROM erasing WHERE Request = {request:String} AND Kind = 'trace')
    UNION ALL SELECT SessionId FROM traces_rollup WHERE TraceId IN (SELECT Id FROM erasing WHERE Request = {request:String} AND Kind = 'trace')
)
WHERE SessionId != '' AND SessionId NOT IN (SELECT Id FROM erasing WHERE Request = {request:String} AND Kind = 'session')
