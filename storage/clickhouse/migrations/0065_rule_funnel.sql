-- What became of the targets of every rule, per metric and hour of their completion; the last 48 hours.  Complete is the sum of the columns after it; what
-- each of them means stands in rule_targets_between, from which any other time is read.
CREATE OR REPLACE VIEW rule_funnel DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT RuleId, MetricName, Level, toStartOfHour(CompletedAt) AS Hour, sum(t.Targets) AS Complete, sum(t.SampledOut) AS SampledOut, sum(t.FilteredOut) AS FilteredOut, sum(t.Queued) AS Queued,
       sum(t.Waiting) AS Waiting, sum(t.Retrying) AS Retrying, sum(t.Started) AS Started, sum(t.Scored) AS Scored, sum(t.NotApplicable) AS NotApplicable, sum(t.NotComputed) AS NotComputed,
       sum(t.Failed) AS Failed, sum(t.DependencyFailed) AS DependencyFailed, sum(t.OverBudget) AS OverBudget, sum(t.TooLate) AS TooLate, sum(t.Cancelled) AS Cancelled, sum(t.Poisoned) AS Poisoned
FROM rule_targets AS t
GROUP BY RuleId, MetricName, Level, Hour
