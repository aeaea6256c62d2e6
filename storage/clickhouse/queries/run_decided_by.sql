-- What a rule decided last about targets, and whether that is not the end of it.
SELECT metric, target_id, toUnixTimestamp64Milli(tupleElement(newest, 1)) AS watermark_ms, tupleElement(newest, 3) AS decision,
       decision IN ('waiting', 'retrying') OR (decision = 'started' AND tupleElement(newest, 4) IN (
           SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3))) AS under_way
FROM (
    SELECT toString(MetricName) AS metric, TargetId AS target_id, max((Watermark, DecidedAt, toString(Decision), toString(Worker))) AS newest
    FROM decisions
    WHERE RuleId = {rule:String} AND Level = {level:String} AND TargetId IN {targets:Array(String)}
    GROUP BY metric, target_id
)
