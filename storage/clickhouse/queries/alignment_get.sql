-- Alignments and where they stand, newest first.  The first final state stands, and of what came after it decisions alone count.
SELECT r.RunId AS run_id, toString(r.Subject) AS metric, r.Metrics AS metrics, r.Selection AS selection, r.Config AS config,
       r.RetryOf AS retry_of, toString(r.Author) AS author, toUnixTimestamp64Micro(r.CreatedAt) AS created_us,
       multiIf(e.Final != '', e.Final, e.Last != '', e.Last, 'PENDING') AS state, tupleElement(e.Place, 1) AS phase,
       tupleElement(e.Place, 2) AS done, tupleElement(e.Place, 3) AS total, e.Usage AS usage, e.Notes AS notes, e.Outcome AS outcome,
       e.Decision AS decision, e.Cancels > 0 AND e.Final IN ('', 'CANCELLED') AS cancel_requested,
       toUnixTimestamp64Micro(e.UpdatedAt) AS updated_us
FROM (SELECT * FROM runs FINAL WHERE RunId IN {run_ids:Array(String)} AND Kind = 'alignment') AS r
LEFT JOIN (
    SELECT RunId, argMinIf(toString(x.State), x.At, Event = 'state' AND State IN {finals:Array(String)}) AS Final,
           argMaxIf(toString(x.State), x.At, Event = 'state') AS Last,
           argMaxIf((toString(x.Phase), x.Done, x.Total), x.At, x.Phase != '') AS Place,
           argMaxIf(x.Usage, x.At, notEmpty(x.Usage)) AS Usage,
           argMinIf(x.Detail, x.At, Event = 'state' AND State IN {finals:Array(String)}) AS Outcome,
           argMaxIf(x.Detail, x.At, Event = 'checkpoint') AS Notes, argMinIf(x.Detail, x.At, Event = 'resolution') AS Decision,
           countIf(Event = 'cancel_requested') AS Cancels, max(x.At) AS UpdatedAt
    FROM (
        SELECT *, minIf(At, Event = 'state' AND State IN {finals:Array(String)}) OVER (PARTITION BY RunId) AS FinalAt
        FROM run_events WHERE RunId IN {run_ids:Array(String)}
    ) AS x
    WHERE Event = 'resolution' OR FinalAt = 0 OR At <= FinalAt
    GROUP BY RunId
) AS e ON r.RunId = e.RunId
ORDER BY created_us DESC, run_id DESC
