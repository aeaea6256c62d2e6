-- How a result is spelled as attributes.  One place, used by the write-back and by the read-only variant.
--   gen_ai.evaluation.<metric>.score.value | .score.label | .explanation | .status | .error.type     span level, automatic
--   gen_ai.evaluation.trace.<metric>....                                                trace level, on the root span
--   gen_ai.evaluation.session.<metric>....                                              session level, on the first trace's root span
--   gen_ai.evaluation[.trace|.session].human.<metric>....                               a person's verdict
-- Metric names therefore never start with 'trace.', 'session.' or 'human.'.  '' means: remove this key.
-- The highest metric version that has an outcome wins, so recomputing an old version never changes a span.  .status appears only when there is no score:
-- not_computed, not_applicable, and failed (with .error.type) while no version has any other outcome.  Text and explanation are cut to 512 characters
-- on the span; the full text is in evaluations.
CREATE VIEW IF NOT EXISTS evaluation_attributes AS
SELECT r.1 AS EvaluationId, r.2 AS Attempt, Level, TraceId, SpanId, SessionId, MetricName, r.3 AS MetricVersion, SourceClass, r.4 AS Status, TargetHour, r.5 AS InsertedAt,
       r.6 AS ServiceName, r.7 AS SpanName, r.8 AS AnchorTraceId, r.9 AS AnchorSpanId, r.10 AS AnchorTime,
       concat('gen_ai.evaluation.', if(Level = 'span', '', concat(toString(Level), '.')), if(SourceClass = 'human', 'human.', ''), MetricName) AS Prefix,
       map(concat(Prefix, '.score.value'), if(Status != 'success', '', coalesce(toString(r.11), '')),
           concat(Prefix, '.score.label'), if(Status != 'success', '', multiIf(r.12 != '', r.12, notEmpty(r.13), toJSONString(r.13), leftUTF8(r.14, 512))),
           concat(Prefix, '.explanation'), if(Status = 'retracted', '', leftUTF8(r.15, 512)),
           concat(Prefix, '.status'), if(Status IN ('success', 'retracted'), '', toString(Status)),
           concat(Prefix, '.error.type'), if(Status = 'failed', r.16, '')) AS Attributes
FROM (SELECT MetricName, Level, toStartOfHour(c.TargetTime) AS TargetHour, TraceId, SpanId, SessionId, SourceClass,
             argMax((EvaluationId, Attempt, MetricVersion, Status, InsertedAt, toString(ServiceName), toString(SpanName), AnchorTraceId, AnchorSpanId, AnchorTime, Value, toString(Label), Labels, Text, Explanation, toString(ErrorCode)),
                    (Status != 'failed', MetricVersion, Rank)) AS r
      FROM evaluations_current AS c GROUP BY MetricName, Level, TargetHour, TraceId, SpanId, SessionId, SourceClass)
