-- How many targets of a run's ledger wait for each metric.
SELECT toString(MetricName) AS metric, count() AS targets FROM decisions FINAL
WHERE RuleId = {ledger:String} AND Decision IN ('started', 'waiting') GROUP BY metric
