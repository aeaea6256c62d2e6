-- What is open in a run's ledger is cancelled.
INSERT INTO decisions (RuleId, RuleVersion, MetricName, Level, TargetId, Watermark, Decision, Reason, Attempt)
SELECT RuleId, RuleVersion, MetricName, Level, TargetId, Watermark, 'cancelled', {reason:String}, Attempt
FROM decisions FINAL WHERE RuleId = {ledger:String} AND Decision IN ('started', 'waiting')
