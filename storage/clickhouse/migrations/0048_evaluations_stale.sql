-- What a current row does not say: its newest attempt failed, or its target has a newer revision (traces, sessions).  Ask for one target or one hour of one metric.
CREATE VIEW IF NOT EXISTS evaluations_stale AS
SELECT Level, e.TraceId AS TraceId, SpanId, e.SessionId AS SessionId, MetricName, MetricVersion, SourceClass, TargetHour, tupleElement(Good, 1) AS Watermark, tupleElement(Bad, 3) AS ErrorCode,
       if((tupleElement(Bad, 1), tupleElement(Bad, 2)) > (tupleElement(Good, 1), tupleElement(Good, 2)), 'newest attempt failed', 'target has a newer revision') AS Why,
       if(Why = 'newest attempt failed', toDateTime64(tupleElement(Bad, 2), 3), greatest(t.Last, n.Last)) AS StaleSince
FROM (SELECT Level, TraceId, SpanId, SessionId, MetricName, MetricVersion, SourceClass, toStartOfHour(TargetTime) AS TargetHour,
             maxIf((x.Watermark, x.InsertedAt, ''), Status != 'failed') AS Good, maxIf((x.Watermark, x.InsertedAt, toString(x.ErrorCode)), Status = 'failed') AS Bad
      FROM evaluations AS x WHERE Purpose IN ('online', 'ondemand', 'backfill', 'recompute')
      GROUP BY Level, TraceId, SpanId, SessionId, MetricName, MetricVersion, SourceClass, TargetHour HAVING countIf(Status != 'failed') > 0) AS e
LEFT JOIN (SELECT TraceId, max(x.LastIngested) AS Last FROM traces_rollup AS x GROUP BY TraceId) AS t ON e.TraceId = t.TraceId AND e.Level = 'trace'
LEFT JOIN (SELECT m.SessionId AS SessionId, max(x.LastIngested) AS Last FROM session_traces AS m INNER JOIN traces_rollup AS x ON m.TraceId = x.TraceId GROUP BY m.SessionId) AS n ON e.SessionId = n.SessionId AND e.Level = 'session'
WHERE (tupleElement(Bad, 1), tupleElement(Bad, 2)) > (tupleElement(Good, 1), tupleElement(Good, 2)) OR greatest(t.Last, n.Last) > tupleElement(Good, 1)
