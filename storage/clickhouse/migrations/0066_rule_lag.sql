-- Seconds from completion to result (scored, failed, not applicable, not computed), per rule, metric and hour of completion; the last 48 hours.
-- Open = complete and not decided for good; OldestAt = when the oldest of them was complete.  NULL where there is none.
CREATE OR REPLACE VIEW rule_lag DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT RuleId, MetricName, Level, toStartOfHour(CompletedAt) AS Hour, sum(length(t.LagMs)) AS Results,
       if(Results = 0, NULL, quantileExactArray(0.5)(t.LagMs) / 1000) AS P50, if(Results = 0, NULL, quantileExactArray(0.9)(t.LagMs) / 1000) AS P90, if(Results = 0, NULL, quantileExactArray(0.99)(t.LagMs) / 1000) AS P99,
       sum(t.Queued + t.Waiting + t.Retrying + t.Started) AS Open, if(Open = 0, NULL, minIf(t.CompletedAt, t.Queued + t.Waiting + t.Retrying + t.Started > 0)) AS OldestAt,
       dateDiff('millisecond', OldestAt, now64(3)) / 1000 AS OldestSeconds
FROM rule_targets AS t
GROUP BY RuleId, MetricName, Level, Hour
