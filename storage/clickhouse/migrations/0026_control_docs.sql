-- Definitions only: metric, rule, dataset, queue, experiment, endpoint.  What happens (progress, status, feedback) is rows, below.
-- Never a secret: an endpoint names one (secret_ref), the process reads it from its environment or a file.
CREATE TABLE IF NOT EXISTS control_docs
(
    Kind LowCardinality(String),
    Name String,
    Version UInt32,
    Token String,
    Doc String CODEC(ZSTD(1)),
    Deleted UInt8 DEFAULT 0,
    Author LowCardinality(String),
    CreatedAt DateTime64(3) DEFAULT now64(3),
    CONSTRAINT known_kind CHECK Kind IN ('metric', 'rule', 'dataset', 'queue', 'experiment', 'endpoint'),
    CONSTRAINT no_secrets CHECK Kind != 'endpoint' OR NOT match(Doc, '(?i)"(secret|password|token|api_?key)"\\s*:')
)
ENGINE = MergeTree ORDER BY (Kind, Name, Version, Token) SETTINGS index_granularity = 256
