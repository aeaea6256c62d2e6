CREATE MATERIALIZED VIEW IF NOT EXISTS evaluations_current_mv TO evaluations_current DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT EvaluationId, Attempt, Level, TraceId, SpanId, SessionId, TargetTime, StartTime, ServiceName, SpanName, AnchorTraceId, AnchorSpanId, AnchorTime,
       MetricName, MetricVersion, SourceClass, Kind, Status, ErrorCode, OutputType, Value, Label, Labels, Text, Explanation, Watermark, InputsDigest, EvaluatedAt, InsertedAt,
       bitOr(bitShiftLeft(toUInt128(Status != 'failed'), 127), bitOr(bitShiftLeft(toUInt128(toUInt64(greatest(0, toUnixTimestamp64Milli(Watermark)))), 64), toUInt128(toUInt64(greatest(0, toUnixTimestamp64Micro(InsertedAt)))))) AS Rank
FROM evaluations WHERE Purpose IN ('online', 'ondemand', 'backfill', 'recompute')
