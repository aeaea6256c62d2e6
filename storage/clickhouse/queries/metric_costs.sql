-- What results of metrics cost lately: averages over the newest 1000 of each.
SELECT metric, count() AS results, avg(attempts) AS judge_calls, avg(InputTokens) AS input_tokens, avg(OutputTokens) AS output_tokens,
       if(countIf(unpriced) > 0, NULL, avg(CostUsd)) AS cost_usd
FROM (
    SELECT toString(MetricName) AS metric, toUInt64OrZero(Metadata['attempts']) AS attempts, InputTokens, OutputTokens, CostUsd,
           Metadata['cost'] = 'unknown' AS unpriced
    FROM evaluations
    WHERE MetricName IN {metrics:Array(String)} AND Level = {level:String} AND Status = 'success' AND TargetTime >= now() - INTERVAL 30 DAY
    ORDER BY InsertedAt DESC LIMIT 1000 BY metric
)
GROUP BY metric
