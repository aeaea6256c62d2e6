-- Where the targets of one metric stand.
SELECT toString(Level) AS level, TraceId AS trace_id, SpanId AS span_id, SessionId AS session_id, toString(Status) AS status,
       ExpectedValue AS value, toString(ExpectedLabel) AS label, CAST(ExpectedLabels, 'Array(String)') AS labels, ExpectedText AS text,
       toUnixTimestamp64Micro(CountsFrom) AS counts_from_us
FROM resolutions FINAL
WHERE MetricName = {metric:String} AND cityHash64(TraceId, SpanId, SessionId) % 1000000 < {parts:UInt32}
