-- How many rows of spans start in which minute of a window.
SELECT toInt64(toUnixTimestamp(toStartOfMinute(Timestamp))) * 1000000000 AS start_ns, count() AS spans
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until_ns:Int64})
GROUP BY start_ns ORDER BY start_ns
