-- What became of the targets of one rule that completed in [since, until), per metric.
SELECT toString(MetricName) AS metric, toInt64(sum(t.Targets)) AS complete, sum(t.SampledOut) AS sampled_out, sum(t.FilteredOut) AS filtered_out, sum(t.Queued) AS queued,
       sum(t.Waiting) AS waiting, sum(t.Retrying) AS retrying, sum(t.Started) AS started, sum(t.Scored) AS scored, sum(t.NotApplicable) AS not_applicable,
       sum(t.NotComputed) AS not_computed, sum(t.Failed) AS failed, sum(t.DependencyFailed) AS dependency_failed, sum(t.OverBudget) AS over_budget,
       sum(t.TooLate) AS too_late, sum(t.Cancelled) AS cancelled, sum(t.Poisoned) AS poisoned, sum(length(t.LagMs)) AS results,
       quantilesExactArray(0.5, 0.9, 0.99)(t.LagMs) AS lags_ms, countIf(t.Queued + t.Waiting + t.Retrying + t.Started > 0) AS open,
       dateDiff('millisecond', minIf(t.CompletedAt, t.Queued + t.Waiting + t.Retrying + t.Started > 0), now64(3)) AS oldest_ms
FROM rule_targets_between(since = fromUnixTimestamp64Milli({since_ms:Int64}), until = fromUnixTimestamp64Milli({until_ms:Int64})) AS t
WHERE RuleId = {rule:String}
GROUP BY metric
ORDER BY metric
