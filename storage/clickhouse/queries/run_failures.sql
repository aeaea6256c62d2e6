-- Why results of a run failed, the most frequent reasons first.
SELECT metric, code, count() AS failures, any(message) AS message
FROM (
    SELECT toString(MetricName) AS metric, toString(ErrorCode) AS code, ErrorMessage AS message, Status
    FROM evaluations WHERE RunId = {run_id:String} ORDER BY Attempt DESC LIMIT 1 BY EvaluationId
)
WHERE Status = 'failed'
GROUP BY metric, code
ORDER BY failures DESC, metric, code
LIMIT 100
