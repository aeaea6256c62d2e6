-- Means of a metric by version and UTC day of its targets: of what the judge says, and of that corrected by people where both have spoken (prediction-powered
-- inference: mean(judge, all) + mean(people - judge, labelled), 95 % by normal approximation, related rows varying together).  NULL: too few to say.
CREATE VIEW IF NOT EXISTS metric_means_corrected AS
SELECT MetricName, MetricVersion, Day, Judged, JudgedCount, if(LabelledCount = 0, NULL, Judged + Shift) AS Corrected,
       if(Groups < 2 OR JudgedCount < 2, NULL, 1.959963984540054 * sqrt(Variance / JudgedCount + ShiftVariance)) AS Half,
       Corrected - Half AS CorrectedLow, Corrected + Half AS CorrectedHigh, if(LabelledCount = 0, NULL, ExpectedSum / LabelledCount) AS Labelled, LabelledCount
FROM (
    SELECT j.MetricName AS MetricName, j.MetricVersion AS MetricVersion, j.Day AS Day, j.Judged AS Judged, j.Variance AS Variance, j.JudgedCount AS JudgedCount,
           l.Rows AS LabelledCount, l.Groups AS Groups, l.ExpectedSum AS ExpectedSum, l.Differences / l.Rows AS Shift,
           greatest(0, l.Squares - 2 * Shift * l.Products + Shift * Shift * l.Sizes) / (l.Rows * l.Rows) * l.Groups / (l.Groups - 1) AS ShiftVariance
    FROM (
        SELECT MetricName, MetricVersion, toDate(e.TargetTime, 'UTC') AS Day, avg(assumeNotNull(e.Value)) AS Judged, varSamp(assumeNotNull(e.Value)) AS Variance, count() AS JudgedCount
        FROM evaluations_current AS e FINAL WHERE SourceClass = 'auto' AND Status = 'success' AND isNotNull(e.Value) GROUP BY MetricName, MetricVersion, Day
    ) AS j
    LEFT JOIN (
        SELECT MetricName, MetricVersion, Day, sum(N) AS Rows, count() AS Groups, sum(Expected) AS ExpectedSum, sum(D) AS Differences, sum(D * D) AS Squares, sum(D * N) AS Products, sum(N * N) AS Sizes
        FROM (
            SELECT e.MetricName AS MetricName, e.MetricVersion AS MetricVersion, toDate(e.TargetTime, 'UTC') AS Day, if(r.GroupKey = '', concat(e.TraceId, e.SpanId, e.SessionId), r.GroupKey) AS GroupKey, count() AS N,
                   sum(r.Value) AS Expected, sum(r.Value - assumeNotNull(e.Value)) AS D
            FROM (SELECT * FROM evaluations_current FINAL WHERE SourceClass = 'auto' AND Status = 'success' AND isNotNull(Value)) AS e
            INNER JOIN (
                SELECT d.MetricName AS MetricName, d.Level AS Level, d.TraceId AS TraceId, d.SpanId AS SpanId, d.SessionId AS SessionId, assumeNotNull(d.ExpectedValue) AS Value, f.GroupKey AS GroupKey
                FROM (SELECT * FROM resolutions FINAL WHERE Status = 'resolved' AND isNotNull(ExpectedValue)) AS d
                LEFT JOIN (SELECT MetricName, Level, TraceId, SpanId, SessionId, min(x.GroupKey) AS GroupKey FROM feedback AS x GROUP BY MetricName, Level, TraceId, SpanId, SessionId) AS f
                    ON d.MetricName = f.MetricName AND d.Level = f.Level AND d.TraceId = f.TraceId AND d.SpanId = f.SpanId AND d.SessionId = f.SessionId
            ) AS r ON e.MetricName = r.MetricName AND e.Level = r.Level AND e.TraceId = r.TraceId AND e.SpanId = r.SpanId AND e.SessionId = r.SessionId
            GROUP BY MetricName, MetricVersion, Day, GroupKey
        )
        GROUP BY MetricName, MetricVersion, Day
    ) AS l ON j.MetricName = l.MetricName AND j.MetricVersion = l.MetricVersion AND j.Day = l.Day
)
