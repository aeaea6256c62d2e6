CREATE VIEW IF NOT EXISTS rules AS
SELECT Name AS RuleId, Version AS RuleVersion, JSONExtractString(Doc, 'level') AS Level, JSONExtractArrayRaw(Doc, 'metrics') AS Metrics, JSONExtractString(Doc, 'filter') AS Filter,
       JSONExtractFloat(Doc, 'sample_rate') AS SampleRate, JSONExtractBool(Doc, 'enabled') AS Enabled, JSONExtractString(Doc, 'late') AS Late, Doc, UpdatedAt
FROM control_current WHERE Kind = 'rule'
