-- Results of others that arrived in (after, until] and wait still, earliest first.
SELECT Key AS key, any(w.Subjects) AS subjects, toUnixTimestamp64Milli(any(w.ArrivedAt)) AS arrived_ms, any(w.TraceId) AS trace_id,
       any(w.SessionId) AS session_id, any(w.Body) AS body
FROM external_waiting AS w FINAL
WHERE w.ArrivedAt > fromUnixTimestamp64Milli({after_ms:Int64}) AND w.ArrivedAt <= fromUnixTimestamp64Milli({until_ms:Int64}) AND NOT Settled
GROUP BY Key
ORDER BY arrived_ms, key
LIMIT {max_rows:UInt32}
