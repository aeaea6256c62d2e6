-- How far versions of metrics are checked: one version, or of each metric the highest that has been looked at.
SELECT toString(MetricName) AS metric, MetricVersion AS version, toString(State) AS state, Counts AS counts, Reason AS reason,
       toUnixTimestamp64Micro(At) AS at_us
FROM rechecks FINAL
WHERE MetricName IN {metrics:Array(String)} AND ({version:UInt32} = 0 OR MetricVersion = {version:UInt32})
ORDER BY MetricName, MetricVersion DESC
LIMIT 1 BY MetricName
