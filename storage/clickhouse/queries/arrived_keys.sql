-- Where in the order of the table the spans of a window of arrivals (since, until] stand; their copies stand there, too.
SELECT ServiceName, SpanName, toDateTime(Timestamp) FROM otel_traces
WHERE IngestedAt > fromUnixTimestamp64Milli({since_ms:Int64}) AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
GROUP BY 1, 2, 3
