-- One row per trace / per session, with the results of THAT level (no level infix in the keys here).
-- Root* = the root span, or the earliest span while (or if never) a root arrives; Roots says which.
CREATE VIEW IF NOT EXISTS traces AS
SELECT r.* EXCEPT (Anchor), tupleElement(Anchor, 1) AS RootTime, tupleElement(Anchor, 2) AS RootSpanId, tupleElement(Anchor, 3) AS RootService, tupleElement(Anchor, 4) AS RootName,
       dateDiff('millisecond', r.Start, r.End) AS DurationMs, CAST(e.Attributes, 'Map(LowCardinality(String), Nullable(String))') AS EvaluationAttributes
FROM (SELECT TraceId, min(x.Start) AS Start, max(x.LastStart) AS LastStart, max(x.End) AS End, min(x.FirstIngested) AS FirstIngested, max(x.LastIngested) AS LastIngested, sum(x.Spans) AS Spans, sum(x.Roots) AS Roots,
             sum(x.Logs) > 0 AS HasLogs, length(groupUniqArrayArray(x.ServiceNames)) AS Services, sum(x.ErrorSpans) AS ErrorSpans, sum(x.LlmSpansReported) AS LlmSpansReported,
             sum(x.InputTokensReported) AS InputTokensReported, sum(x.OutputTokensReported) AS OutputTokensReported, sum(x.CostUsdReported) AS CostUsdReported,
             if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot)) AS Anchor, max(x.Environment) AS Environment, max(x.SessionId) AS SessionId, max(x.UserId) AS UserId
      FROM traces_rollup AS x GROUP BY TraceId HAVING Spans > 0) AS r
LEFT JOIN (SELECT TraceId, mapFilter((k, v) -> v != '', mapFromArrays(arrayMap(k -> replaceOne(k, '.evaluation.trace.', '.evaluation.'), arrayFlatten(groupArray(mapKeys(Attributes)))), arrayFlatten(groupArray(mapValues(Attributes))))) AS Attributes
           FROM evaluation_attributes WHERE Level = 'trace' GROUP BY TraceId) AS e ON r.TraceId = e.TraceId
