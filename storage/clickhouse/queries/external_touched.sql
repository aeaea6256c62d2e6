-- Results of others that wait, and of whose subjects spans arrived in (since, until]: the new spans are read, and what waits is looked up by them.
SELECT Key AS key, any(w.Subjects) AS subjects, toUnixTimestamp64Milli(any(w.ArrivedAt)) AS arrived_ms, any(w.TraceId) AS trace_id,
       any(w.SessionId) AS session_id, any(w.Body) AS body
FROM external_waiting AS w FINAL
WHERE Subject IN (
    SELECT arrayJoin(arrayConcat(
               [concat('trace:', TraceId), concat('session:', SessionId)],
               if({responses:Bool}, arrayMap(x -> concat('response:', x.2), arrayFilter(x -> endsWith(x.1, 'response.id') AND x.2 != '', arrayZip(mapKeys(SpanAttributes), mapValues(SpanAttributes)))), [])))
    FROM otel_traces
    WHERE IngestedAt > fromUnixTimestamp64Milli({since_ms:Int64}) AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64}))
  AND NOT Settled AND Key > {after_key:String}
GROUP BY Key
ORDER BY Key
LIMIT {max_rows:UInt32}
