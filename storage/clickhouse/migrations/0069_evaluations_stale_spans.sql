-- What a current row does not say: its newest attempt failed, its target has a newer revision, or (of people, and of programs that send results) that it
-- was made on an earlier one: nothing of ours replaces that.  A span has a newer revision when a log came to it, a trace and a session when anything did.
-- Ask for one target or one hour of one metric.
CREATE OR REPLACE VIEW evaluations_stale AS
SELECT Level, e.TraceId AS TraceId, e.SpanId AS SpanId, e.SessionId AS SessionId, MetricName, MetricVersion, SourceClass, TargetHour, tupleElement(Good, 1) AS Watermark, tupleElement(Bad, 3) AS ErrorCode,
       multiIf((tupleElement(Bad, 1), tupleElement(Bad, 2)) > (tupleElement(Good, 1), tupleElement(Good, 2)), 'newest attempt failed',
               tupleElement(Good, 3) IN ('human', 'external'), 'made on an earlier revision', 'target has a newer revision') AS Why,
       if(Why = 'newest attempt failed', toDateTime64(tupleElement(Bad, 2), 3), greatest(t.Last, n.Last, l.Last)) AS StaleSince
FROM (SELECT Level, TraceId, SpanId, SessionId, MetricName, MetricVersion, SourceClass, toStartOfHour(TargetTime) AS TargetHour,
             maxIf((x.Watermark, x.InsertedAt, toString(x.Kind)), Status != 'failed') AS Good, maxIf((x.Watermark, x.InsertedAt, toString(x.ErrorCode)), Status = 'failed') AS Bad
      FROM evaluations AS x WHERE Purpose IN ('online', 'ondemand', 'backfill', 'recompute')
      GROUP BY Level, TraceId, SpanId, SessionId, MetricName, MetricVersion, SourceClass, TargetHour HAVING countIf(Status != 'failed') > 0) AS e
LEFT JOIN (SELECT TraceId, max(x.LastIngested) AS Last FROM traces_rollup AS x GROUP BY TraceId) AS t ON e.TraceId = t.TraceId AND e.Level = 'trace'
LEFT JOIN (SELECT m.SessionId AS SessionId, max(x.LastIngested) AS Last FROM session_traces AS m INNER JOIN traces_rollup AS x ON m.TraceId = x.TraceId GROUP BY m.SessionId) AS n ON e.SessionId = n.SessionId AND e.Level = 'session'
LEFT JOIN (SELECT TraceId, SpanId, max(x.IngestedAt) AS Last FROM otel_logs AS x
           WHERE SpanId != '' AND EventName != 'gen_ai.evaluation.result' AND LogAttributes['event.name'] != 'gen_ai.evaluation.result' GROUP BY TraceId, SpanId) AS l
  ON e.TraceId = l.TraceId AND e.SpanId = l.SpanId
WHERE (tupleElement(Bad, 1), tupleElement(Bad, 2)) > (tupleElement(Good, 1), tupleElement(Good, 2)) OR greatest(t.Last, n.Last, l.Last) > tupleElement(Good, 1)
