-- Metrics that people have decided targets of.
SELECT DISTINCT toString(MetricName) AS metric FROM resolutions
