-- Results by filter in order of arrival, strictly after a cursor and not past `until_us` (no INSERT that still runs may hide there).
SELECT *
FROM (
    SELECT toString(EvaluationId) AS evaluation_id, Attempt AS attempt, toString(Level) AS level, TraceId AS trace_id, SpanId AS span_id,
           SessionId AS session_id, toUnixTimestamp64Nano(TargetTime) AS target_time_ns, toUnixTimestamp64Nano(StartTime) AS start_ns,
           toString(ServiceName) AS service_name, toString(SpanName) AS span_name, AnchorTraceId AS anchor_trace_id,
           AnchorSpanId AS anchor_span_id, toUnixTimestamp64Nano(AnchorTime) AS anchor_ns, toString(MetricName) AS metric,
           MetricVersion AS metric_version, toString(MetricDigest) AS metric_digest, toString(Kind) AS kind,
           toString(Purpose) AS purpose, toString(Status) AS status, toString(ErrorCode) AS error_code, ErrorMessage AS error_message,
           toString(OutputType) AS output_type, Value AS value, toString(Label) AS label, CAST(Labels, 'Array(String)') AS labels,
           Text AS text, Explanation AS explanation, toString(RuleId) AS rule, RuleVersion AS rule_version, RunId AS run, Trial AS trial, toString(Annotator) AS annotator,
           toUnixTimestamp64Milli(Watermark) AS watermark_ms, hex(InputDigest) AS input_digest, hex(InputsDigest) AS inputs_digest, JudgeTraceId AS judge_trace_id, toString(JudgeModel) AS judge_model,
           InputTokens AS input_tokens, OutputTokens AS output_tokens, CostUsd AS cost_usd, LatencyMs AS latency_ms,
           CAST(Metadata, 'Map(String, String)') AS metadata, toUnixTimestamp64Milli(StartedAt) AS started_ms,
           toUnixTimestamp64Micro(EvaluatedAt) AS evaluated_us, toUnixTimestamp64Micro(InsertedAt) AS inserted_us
    FROM evaluations
    WHERE InsertedAt >= fromUnixTimestamp64Micro({after_us:Int64}) - INTERVAL 1 HOUR  -- prunes; a copy of a row may be that late
      /*where*/
    ORDER BY InsertedAt  -- of copies the first, on every page
    LIMIT 1 BY EvaluationId, Attempt
)
WHERE (inserted_us, evaluation_id, attempt) > ({after_us:Int64}, {after_id:String}, {after_attempt:UInt16})
ORDER BY inserted_us ASC, evaluation_id ASC, attempt ASC
LIMIT {max_rows:UInt32}
