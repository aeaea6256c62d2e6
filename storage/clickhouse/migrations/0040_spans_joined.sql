-- The view of 0019 with the derived columns of 0035; the rest is as it was.
CREATE OR REPLACE VIEW spans_joined AS
SELECT t.Timestamp AS Timestamp, t.TraceId AS TraceId, t.SpanId AS SpanId, t.ParentSpanId AS ParentSpanId, t.TraceState AS TraceState, t.SpanName AS SpanName, t.SpanKind AS SpanKind, t.ServiceName AS ServiceName,
       t.ResourceAttributes AS ResourceAttributes, t.ScopeName AS ScopeName, t.ScopeVersion AS ScopeVersion,
       CAST(mapUpdate(t.SpanAttributes, e.EvaluationAttributes), 'Map(LowCardinality(String), Nullable(String))') AS SpanAttributes,
       t.SpanAttributes AS RawSpanAttributes, CAST(e.EvaluationAttributes, 'Map(LowCardinality(String), Nullable(String))') AS EvaluationAttributes,
       t.Duration AS Duration, t.StatusCode AS StatusCode, t.StatusMessage AS StatusMessage,
       t.`Events.Timestamp` AS `Events.Timestamp`, t.`Events.Name` AS `Events.Name`, t.`Events.Attributes` AS `Events.Attributes`, t.`Links.TraceId` AS `Links.TraceId`, t.`Links.SpanId` AS `Links.SpanId`,
       t.`Links.TraceState` AS `Links.TraceState`, t.`Links.Attributes` AS `Links.Attributes`, t.IngestedAt AS IngestedAt,
       t.SessionId AS SessionId, t.UserId AS UserId, t.ObservationKind AS ObservationKind, t.Model AS Model, t.InputTokens AS InputTokens, t.OutputTokens AS OutputTokens, t.CostUsd AS CostUsd, t.Environment AS Environment,
       t.Operation AS Operation, t.RequestModel AS RequestModel, t.ResponseModel AS ResponseModel, t.Provider AS Provider, t.ErrorType AS ErrorType, t.AgentName AS AgentName, t.ToolName AS ToolName, t.CacheReadInputTokens AS CacheReadInputTokens, t.ReasoningOutputTokens AS ReasoningOutputTokens
FROM otel_traces AS t
LEFT JOIN (SELECT AnchorTraceId, AnchorSpanId,
                  CAST(mapFilter((k, v) -> v != '', mapFromArrays(arrayFlatten(groupArray(mapKeys(Attributes))), arrayFlatten(groupArray(mapValues(Attributes))))), 'Map(LowCardinality(String), String)') AS EvaluationAttributes
           FROM evaluation_attributes GROUP BY AnchorTraceId, AnchorSpanId) AS e
ON t.TraceId = e.AnchorTraceId AND t.SpanId = e.AnchorSpanId
