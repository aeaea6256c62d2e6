-- What is under way, rules (RuleId) and runs (RuleId = 'run:<RunId>'): queued (waiting, to be tried again, or left by a dead worker) and computing.
-- Of a run that has ended nothing is open, whatever its last worker still wrote.
CREATE VIEW IF NOT EXISTS evaluations_open AS
SELECT RuleId, RuleVersion, MetricName, Level, TargetId, if(Level = 'session', '', substring(TargetId, 1, 32)) AS TraceId,
       if(Level = 'span', substring(TargetId, 34), '') AS SpanId, if(Level = 'session', TargetId, '') AS SessionId, Watermark,
       if(Decision = 'started' AND Worker IN (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3)), 'computing', 'queued') AS Status,
       Reason, Attempt, NextAttemptAt, Worker, DecidedAt AS Since
FROM decisions FINAL
WHERE (Decision IN ('started', 'waiting', 'rate_limited') OR (Decision = 'failed' AND NextAttemptAt > toDateTime64(0, 3)))
  AND (NOT startsWith(RuleId, 'run:') OR substring(RuleId, 5) NOT IN (
        SELECT RunId FROM run_events WHERE Event = 'state' AND upper(State) IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED', 'ALIGNED', 'ERROR')))
