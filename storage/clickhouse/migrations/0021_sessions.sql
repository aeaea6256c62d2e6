-- Anchor* = root of the trace that came first.
CREATE VIEW IF NOT EXISTS sessions AS
SELECT r.* EXCEPT (A), tupleElement(A, 1) AS AnchorTraceId, tupleElement(A, 2) AS AnchorTime, tupleElement(A, 3) AS AnchorSpanId, tupleElement(A, 4) AS AnchorService, tupleElement(A, 5) AS AnchorName,
       CAST(e.Attributes, 'Map(LowCardinality(String), Nullable(String))') AS EvaluationAttributes
FROM (SELECT m.SessionId AS SessionId, uniqExact(m.TraceId) AS Traces, groupUniqArray(m.TraceId) AS TraceIds, min(t.Start) AS Start, max(t.End) AS End, min(m.FirstIngested) AS FirstIngested, max(t.LastIngested) AS LastIngested,
             sum(t.Spans) AS Spans, sum(t.LlmSpansReported) AS LlmSpansReported, sum(t.ErrorSpans) AS ErrorSpans, sum(t.CostUsdReported) AS CostUsdReported, max(t.UserId) AS UserId,
             argMin((m.TraceId, t.Anchor.1, t.Anchor.2, t.Anchor.3, t.Anchor.4), (m.FirstIngested, m.TraceId)) AS A
      FROM (SELECT SessionId, TraceId, min(y.FirstIngested) AS FirstIngested FROM session_traces AS y GROUP BY SessionId, TraceId) AS m
      INNER JOIN (SELECT TraceId, min(x.Start) AS Start, max(x.End) AS End, max(x.LastIngested) AS LastIngested, sum(x.Spans) AS Spans, sum(x.LlmSpansReported) AS LlmSpansReported, sum(x.ErrorSpans) AS ErrorSpans,
                         sum(x.CostUsdReported) AS CostUsdReported, max(x.UserId) AS UserId, if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot)) AS Anchor
                  FROM traces_rollup AS x GROUP BY TraceId) AS t ON m.TraceId = t.TraceId
      GROUP BY SessionId) AS r
LEFT JOIN (SELECT SessionId, mapFilter((k, v) -> v != '', mapFromArrays(arrayMap(k -> replaceOne(k, '.evaluation.session.', '.evaluation.'), arrayFlatten(groupArray(mapKeys(Attributes)))), arrayFlatten(groupArray(mapValues(Attributes))))) AS Attributes
           FROM evaluation_attributes WHERE Level = 'session' GROUP BY SessionId) AS e ON r.SessionId = e.SessionId
