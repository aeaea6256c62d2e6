-- Where earlier results of these sessions stand: the anchor of the first result of any metric.
SELECT SessionId AS session_id,
       argMin((AnchorTraceId, AnchorSpanId, toUnixTimestamp64Nano(AnchorTime), toString(ServiceName), toString(SpanName)), InsertedAt) AS anchor
FROM evaluations
WHERE Level = 'session' AND SessionId IN {session_ids:Array(String)} AND AnchorSpanId != ''
GROUP BY SessionId
