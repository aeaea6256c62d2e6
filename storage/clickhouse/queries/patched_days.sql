-- Closed days of otel_traces whose results wait in patch parts, and got no new one for so many seconds.
SELECT splitByChar('-', partition_id)[-1] AS day
FROM system.parts
WHERE database = currentDatabase() AND table = 'otel_traces' AND active AND startsWith(partition_id, 'patch-')
GROUP BY day
HAVING toYYYYMMDD(now() - INTERVAL 1 HOUR) > toUInt32OrZero(day) AND max(modification_time) <= now() - {quiet_seconds:UInt32}
ORDER BY day
