-- Which version of a rule is about what completed when, per metric, while the rule was enabled: an edit is about what completes after it, and enabling looks
-- back, but not behind the moment when the rule was disabled before.  `To` is the year 2200 for what is in force.
--  SamplePpm      parts per million of targets; ExperimentPpm those of targets that experiments sent.
--  SessionIdleMs  after how much quiet a session is complete.
CREATE OR REPLACE VIEW rule_periods DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT RuleId, RuleVersion, arrayJoin(JSONExtract(Doc, 'metrics', 'Array(String)')) AS MetricName, JSONExtractString(Doc, 'level') AS Level,
       if(WasOn, MadeAt, greatest(OffAt, addMilliseconds(MadeAt, -1000 * ifNull(JSONExtract(Doc, 'lookback_seconds', 'Nullable(Float64)'), 3600)))) AS From, To,
       toUInt32(round(1000000 * ifNull(JSONExtract(Doc, 'source_rates', 'production', 'Nullable(Float64)'), Rate))) AS SamplePpm,
       toUInt32(round(1000000 * ifNull(JSONExtract(Doc, 'source_rates', 'experiment', 'Nullable(Float64)'), Rate))) AS ExperimentPpm,
       JSONExtractString(Doc, 'when') = 'ingest' AS AtIngest, toInt64(1000 * ifNull(JSONExtract(Doc, 'session_idle_seconds', 'Nullable(Float64)'), 300)) AS SessionIdleMs
FROM (
    SELECT *, max(EndedAt) OVER past AS OffAt
    FROM (
        SELECT *, ifNull(JSONExtract(Doc, 'sample_rate', 'Nullable(Float64)'), 1) AS Rate, lagInFrame(IsOn) OVER whole AS WasOn,
               leadInFrame(MadeAt, 1, toDateTime64('2200-01-01 00:00:00', 3)) OVER whole AS To, if(WasOn AND NOT IsOn, MadeAt, toDateTime64(0, 3)) AS EndedAt
        FROM (
            SELECT Name AS RuleId, Version AS RuleVersion, Doc, CreatedAt AS MadeAt, Deleted = 0 AND JSONExtractBool(Doc, 'enabled') AS IsOn
            FROM control_history WHERE Kind = 'rule'
        )
        WINDOW whole AS (PARTITION BY RuleId ORDER BY RuleVersion ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    )
    WINDOW past AS (PARTITION BY RuleId ORDER BY RuleVersion ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE IsOn
