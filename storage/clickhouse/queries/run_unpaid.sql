-- How many pairs of a run no budget covered, by metric.
SELECT toString(MetricName) AS metric, count() AS pairs
FROM decisions FINAL
WHERE RuleId = {ledger:String} AND Decision = 'over_budget'
GROUP BY metric
