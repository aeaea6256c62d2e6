-- Open rows in the ledgers of runs that ended (a worker that was cancelled may still have written them), and of runs that never
-- came to be (a process died between their ledger and themselves), are cancelled.
INSERT INTO decisions (RuleId, RuleVersion, MetricName, Level, TargetId, Watermark, Decision, Reason, Attempt)
SELECT RuleId, RuleVersion, MetricName, Level, TargetId, Watermark, 'cancelled',
       if(substring(RuleId, 5) IN (SELECT RunId FROM runs), 'the run had ended', 'the run was never created'), Attempt
FROM decisions FINAL
WHERE startsWith(RuleId, 'run:') AND Decision IN ('started', 'waiting') AND DecidedAt < now64(6) - toIntervalSecond({quiet_seconds:UInt32})
  AND (substring(RuleId, 5) NOT IN (SELECT RunId FROM runs)
       OR substring(RuleId, 5) IN (SELECT RunId FROM run_events WHERE Event = 'state' AND State IN {finals:Array(String)} AND At >= now64(6) - INTERVAL 2 DAY))
