-- The view of 0017 with the derived columns of 0035; the rest is as it was, and so are the reasons written there.
CREATE OR REPLACE VIEW spans DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName, ScopeVersion,
       CAST(if(empty(EvalKeys), t.SpanAttributes, CAST(mapUpdate(t.SpanAttributes, CAST((EvalKeys, EvalValues), 'Map(LowCardinality(String), String)')), 'Map(LowCardinality(String), String)')),
            'Map(LowCardinality(String), Nullable(String))') AS SpanAttributes,
       t.SpanAttributes AS RawSpanAttributes,
       CAST((EvalKeys, arrayMap(x -> toNullable(x), EvalValues)), 'Map(LowCardinality(String), Nullable(String))') AS EvaluationAttributes,
       Duration, StatusCode, StatusMessage,
       `Events.Timestamp`, `Events.Name`, `Events.Attributes`, `Links.TraceId`, `Links.SpanId`, `Links.TraceState`, `Links.Attributes`, IngestedAt,
       SessionId, UserId, ObservationKind, Model, InputTokens, OutputTokens, CostUsd, Environment,
       Operation, RequestModel, ResponseModel, Provider, ErrorType, AgentName, ToolName, CacheReadInputTokens, ReasoningOutputTokens
FROM otel_traces AS t
