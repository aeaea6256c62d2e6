-- Every version of a metric stays readable: evaluations.MetricVersion = Version here.
CREATE VIEW IF NOT EXISTS metric_versions AS
SELECT Name AS MetricName, Version AS MetricVersion, JSONExtractString(Doc, 'digest') AS MetricDigest, Doc, Author, CreatedAt FROM control_history WHERE Kind = 'metric'
