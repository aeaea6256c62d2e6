-- The view of 0047, where what is to be tried again is open, too.
CREATE OR REPLACE VIEW evaluations_open AS
SELECT RuleId, RuleVersion, MetricName, Level, TargetId, if(Level = 'session', '', substring(TargetId, 1, 32)) AS TraceId,
       if(Level = 'span', substring(TargetId, 34), '') AS SpanId, if(Level = 'session', TargetId, '') AS SessionId, Watermark,
       if(Decision = 'started' AND Worker IN (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3)), 'computing', 'queued') AS Status,
       Reason, Attempt, NextAttemptAt, Worker, DecidedAt AS Since
FROM decisions FINAL
WHERE Decision IN ('started', 'waiting', 'retrying')
  AND (NOT startsWith(RuleId, 'run:') OR substring(RuleId, 5) NOT IN (
        SELECT RunId FROM run_events WHERE Event = 'state' AND upper(State) IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED', 'ALIGNED', 'ERROR')))
