-- Plan of an erasure: traces of those sessions that stay, and on whose spans results of the session may stand; and the ids of these results.
INSERT INTO erasing (Request, Kind, Id)
SELECT DISTINCT {request:String}, Kind, Id
FROM (
    SELECT 'neighbour' AS Kind, TraceId AS Id FROM session_traces
    WHERE SessionId IN (SELECT Id FROM erasing WHERE Request = {request:String} AND Kind = 'session')
    UNION ALL
    SELECT tupleElement(x, 1) AS Kind, tupleElement(x, 2) AS Id
    FROM (
        SELECT arrayJoin([('neighbour', AnchorTraceId), ('evaluation', toString(EvaluationId))]) AS x FROM evaluations
        WHERE Level = 'session' AND SessionId IN (SELECT Id FROM erasing WHERE Request = {request:String} AND Kind = 'session')
    )
)
WHERE Id != '' AND (Kind != 'neighbour' OR Id NOT IN (SELECT Id FROM erasing WHERE Request = {request:String} AND Kind = 'trace'))
  AND (Kind, Id) NOT IN (SELECT Kind, Id FROM erasing WHERE Request = {request:String} AND Kind IN ('neighbour', 'evaluation'))
