-- Of which of these metrics results came in (after, until].
SELECT DISTINCT toString(MetricName) AS metric
FROM evaluations
WHERE InsertedAt > fromUnixTimestamp64Micro({after_us:Int64}) AND InsertedAt <= fromUnixTimestamp64Micro({until_us:Int64})
  AND MetricName IN {metrics:Array(String)} AND Purpose IN ('online', 'ondemand', 'backfill', 'recompute')
