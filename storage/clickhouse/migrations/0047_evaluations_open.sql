-- What is under way, rules and runs: queued (waiting, to be tried again, or left by a dead worker) and computing.
CREATE VIEW IF NOT EXISTS evaluations_open AS
SELECT RuleId, RuleVersion, MetricName, Level, TargetId, Watermark, if(Decision = 'started' AND Worker IN (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3)), 'computing', 'queued') AS Status,
       Reason, Attempt, NextAttemptAt, Worker, DecidedAt AS Since
FROM decisions FINAL WHERE Decision IN ('started', 'waiting', 'rate_limited') OR (Decision = 'failed' AND NextAttemptAt > toDateTime64(0, 3))
