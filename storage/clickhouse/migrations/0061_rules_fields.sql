-- As in 0033, and every further field of a rule; what a document from before does not say has its default.
CREATE OR REPLACE VIEW rules AS
SELECT Name AS RuleId, Version AS RuleVersion, JSONExtractString(Doc, 'level') AS Level, JSONExtractArrayRaw(Doc, 'metrics') AS Metrics, JSONExtractString(Doc, 'filter') AS Filter,
       JSONExtractFloat(Doc, 'sample_rate') AS SampleRate, JSONExtractBool(Doc, 'enabled') AS Enabled, if(JSONHas(Doc, 'late'), JSONExtractString(Doc, 'late'), 'rescore') AS Late, Doc, UpdatedAt,
       JSONExtract(Doc, 'metrics', 'Array(String)') AS MetricNames, JSONExtract(Doc, 'source_rates', 'Map(String, Float64)') AS SourceRates, JSONExtractString(Doc, 'scope') AS Scope,
       if(JSONHas(Doc, 'when'), JSONExtractString(Doc, 'when'), 'complete') AS WhenScored, ifNull(JSONExtract(Doc, 'lookback_seconds', 'Nullable(Float64)'), 3600) AS LookbackSeconds,
       ifNull(JSONExtract(Doc, 'session_idle_seconds', 'Nullable(Float64)'), 300) AS SessionIdleSeconds, ifNull(JSONExtract(Doc, 'retries', 'attempts', 'Nullable(UInt32)'), 1) AS Attempts,
       JSONExtractUInt(Doc, 'budget', 'calls') AS DailyCalls, JSONExtractUInt(Doc, 'budget', 'tokens') AS DailyTokens, JSONExtractFloat(Doc, 'budget', 'usd') AS DailyUsd,
       arrayMap(x -> JSONExtractString(x, 'name'), JSONExtractArrayRaw(Doc, 'actions')) AS Actions, JSONExtractString(Doc, 'description') AS Description,
       parseDateTime64BestEffortOrNull(JSONExtractString(Doc, 'enable_time'), 3, 'UTC') AS EnabledAt
FROM control_current WHERE Kind = 'rule'
