-- Failed results among the concluded ones that were stored in [since, until), each by its newest attempt there.
SELECT countIf(Outcome = 'failed') AS failed, count() AS concluded
FROM (
    SELECT argMax(toString(Status), Attempt) AS Outcome
    FROM evaluations
    WHERE InsertedAt >= fromUnixTimestamp64Micro({since_us:Int64}) AND InsertedAt < fromUnixTimestamp64Micro({until_us:Int64})
      AND Purpose = 'online' AND SourceClass = 'auto'
      AND ({rule:String} = '' OR RuleId = {rule:String}) AND ({metric:String} = '' OR MetricName = {metric:String})
    GROUP BY EvaluationId
)
WHERE Outcome IN ('success', 'failed')
