-- Columns, types, codecs, keys and skip indexes follow the OpenTelemetry Collector's clickhouseexporter (bloom-filter
-- flavour), so both our receiver and a stock exporter with `create_schema: false` can insert.  Ours on top:
--   IngestedAt             server clock at insert; the cursor of every queue query.  Skip index: a poll reads a few granules.
--   RequestDigest, -Rows   digest of the OTLP request that brought the row, and how many rows of that request belong in this table; zero = foreign writer.
--   SessionId .. Environment   MATERIALIZED: computed whoever wrote the row, read by the views below, not part of SELECT *; raw attributes stay raw.
--                          The expressions here are representative (official gen_ai, OpenInference, Traceloop); the product generates them from its
--                          table of dialects (storage/dialects).  Tokens and cost are what the span reports, duplicates included.
--   EvalKeys / EvalValues  write-back.  Two plain arrays, NOT a Map: materialising a patch on a Map (or JSON) column rewrites
--                          every column of the part (911 MB for 200 k results), on arrays only the two columns (1.5 MB).
--   EvaluationAttributes   the same as a Map, computed on read (ALIAS: costs nothing to store, not part of SELECT *).
-- Settings: block number/offset columns are what lightweight UPDATE needs; NEVER switch them off and on again.
--   patch_parts_version = 'v2' is pinned: a server that does not know it refuses the table instead of losing rows.
--   index_granularity_bytes = 1 MiB: spans carry kilobytes of messages; fetching 1000 traces costs 3x less CPU than with 10 MiB.
--   non_replicated_deduplication_window: a retried OTLP batch that carries the same insert_deduplication_token is stored once.
-- NEVER add a normal PROJECTION here: UPDATE may pick it to find its rows and then silently update nothing.
CREATE TABLE IF NOT EXISTS otel_traces
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    ResourceAttributeItems Array(String) ALIAS arrayMap(kv -> concat(kv.1, '=', kv.2), CAST(ResourceAttributes, 'Array(Tuple(String, String))')),
    SpanAttributeItems Array(String) ALIAS arrayMap(kv -> concat(kv.1, '=', kv.2), CAST(SpanAttributes, 'Array(Tuple(String, String))')),
    IngestedAt DateTime64(3) DEFAULT now64(3) CODEC(Delta(8), ZSTD(1)),
    RequestDigest FixedString(16) CODEC(ZSTD(1)),
    RequestRows UInt32 CODEC(ZSTD(1)),
    SessionId String MATERIALIZED firstNonDefault(SpanAttributes['session.id'], SpanAttributes['gen_ai.conversation.id'], SpanAttributes['traceloop.association.properties.session_id']) CODEC(ZSTD(1)),
    UserId String MATERIALIZED firstNonDefault(SpanAttributes['user.id'], SpanAttributes['traceloop.association.properties.user_id']) CODEC(ZSTD(1)),
    ObservationKind LowCardinality(String) MATERIALIZED transform(lower(firstNonDefault(SpanAttributes['openinference.span.kind'], SpanAttributes['gen_ai.operation.name'], SpanAttributes['traceloop.span.kind'], SpanAttributes['llm.request.type'])),
        ['llm', 'chat', 'text_completion', 'generate_content', 'completion', 'embedding', 'embeddings', 'retriever', 'retrieval', 'reranker', 'rerank', 'tool', 'execute_tool', 'agent', 'invoke_agent', 'chain', 'workflow', 'task', 'guardrail'],
        ['llm', 'llm', 'llm', 'llm', 'llm', 'embedding', 'embedding', 'retriever', 'retriever', 'reranker', 'reranker', 'tool', 'tool', 'agent', 'agent', 'chain', 'chain', 'chain', 'guardrail'], ''),
    Model LowCardinality(String) MATERIALIZED firstNonDefault(SpanAttributes['gen_ai.response.model'], SpanAttributes['gen_ai.request.model'], SpanAttributes['llm.model_name']),
    InputTokens UInt64 MATERIALIZED toUInt64OrZero(firstNonDefault(SpanAttributes['gen_ai.usage.input_tokens'], SpanAttributes['llm.token_count.prompt'], SpanAttributes['gen_ai.usage.prompt_tokens'])) CODEC(T64, ZSTD(1)),
    OutputTokens UInt64 MATERIALIZED toUInt64OrZero(firstNonDefault(SpanAttributes['gen_ai.usage.output_tokens'], SpanAttributes['llm.token_count.completion'], SpanAttributes['gen_ai.usage.completion_tokens'])) CODEC(T64, ZSTD(1)),
    CostUsd Float64 MATERIALIZED ifNotFinite(toFloat64OrZero(firstNonDefault(SpanAttributes['llm.cost.total'], SpanAttributes['gen_ai.usage.cost'])), 0.) CODEC(ZSTD(1)),
    Environment LowCardinality(String) MATERIALIZED firstNonDefault(ResourceAttributes['deployment.environment.name'], ResourceAttributes['deployment.environment']),
    EvalKeys Array(LowCardinality(String)) CODEC(ZSTD(1)),
    EvalValues Array(String) CODEC(ZSTD(1)),
    EvaluationAttributes Map(LowCardinality(String), String) ALIAS CAST((EvalKeys, EvalValues), 'Map(LowCardinality(String), String)'),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1,
    INDEX idx_lower_span_name lower(SpanName) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8,
    INDEX idx_ingested_at IngestedAt TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
PRIMARY KEY (ServiceName, SpanName, toDateTime(Timestamp))
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)
SETTINGS index_granularity = 8192, index_granularity_bytes = 1048576, ttl_only_drop_parts = 1,
         enable_block_number_column = 1, enable_block_offset_column = 1, patch_parts_version = 'v2', non_replicated_deduplication_window = 1000
