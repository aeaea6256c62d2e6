-- The mean of a metric in a window against that of a reference before it, by Welch's t-test (unequal variances) and by Student's (pooled).
-- One value per trace or session: spans of one trace resemble each other, and counted singly would make the noise look too small.
-- Only results of the metric's newest version in the window: another version is another scale.
WITH (
    SELECT max(MetricVersion) FROM evaluations
    WHERE MetricName = {metric:String} AND Purpose = 'online' AND SourceClass = 'auto' AND Status = 'success' AND ({rule:String} = '' OR RuleId = {rule:String})
      AND InsertedAt >= fromUnixTimestamp64Micro({window_from_us:Int64}) AND InsertedAt < fromUnixTimestamp64Micro({window_to_us:Int64})
) AS Newest
SELECT countIf(Late) AS samples, countIf(NOT Late) AS reference_samples, avgIf(Mean, Late) AS mean, avgIf(Mean, NOT Late) AS reference_mean,
       welchTTest(/*confidence*/)(Mean, toUInt8(NOT Late)) AS welch, studentTTest(/*confidence*/)(Mean, toUInt8(NOT Late)) AS student, toUInt32(Newest) AS metric_version
FROM (
    SELECT if(Level = 'session', SessionId, TraceId) AS Unit, InsertedAt >= fromUnixTimestamp64Micro({window_from_us:Int64}) AS Late, avg(assumeNotNull(Value)) AS Mean
    FROM evaluations
    WHERE MetricName = {metric:String} AND MetricVersion = Newest AND Purpose = 'online' AND SourceClass = 'auto' AND Status = 'success' AND isNotNull(Value)
      AND ({rule:String} = '' OR RuleId = {rule:String})
      AND ((InsertedAt >= fromUnixTimestamp64Micro({window_from_us:Int64}) AND InsertedAt < fromUnixTimestamp64Micro({window_to_us:Int64}))
        OR (InsertedAt >= fromUnixTimestamp64Micro({reference_from_us:Int64}) AND InsertedAt < fromUnixTimestamp64Micro({reference_to_us:Int64})))
    GROUP BY Unit, Late
)
