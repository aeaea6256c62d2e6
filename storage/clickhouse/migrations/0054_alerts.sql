-- Alerts that there are, and how each stands; one that never turned is `ok`.
CREATE VIEW IF NOT EXISTS alerts AS
SELECT c.Name AS AlertId, c.Version AS AlertVersion, JSONExtractString(c.Doc, 'kind') AS Kind, JSONExtractString(c.Doc, 'rule') AS RuleId, JSONExtractString(c.Doc, 'metric') AS MetricName,
       JSONExtractBool(c.Doc, 'enabled') AS Enabled, if(e.AlertId = '', 'ok', e.State) AS State, e.Since AS Since, e.Value AS Value, e.Bound AS Bound, e.Samples AS Samples, e.Reason AS Reason, e.At AS TurnedAt, c.Doc AS Doc, c.UpdatedAt AS UpdatedAt
FROM (SELECT * FROM control_current WHERE Kind = 'alert') AS c
LEFT JOIN (SELECT toString(x.AlertId) AS AlertId, argMax(toString(x.State), x.At) AS State, argMax(x.Since, x.At) AS Since, tupleElement(argMax(tuple(x.Value), x.At), 1) AS Value, tupleElement(argMax(tuple(x.Bound), x.At), 1) AS Bound,
                  argMax(x.Samples, x.At) AS Samples, argMax(x.Reason, x.At) AS Reason, max(x.At) AS At FROM alert_events AS x GROUP BY AlertId) AS e ON c.Name = e.AlertId
