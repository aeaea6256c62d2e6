-- One run and where it stands: view `run_state`, asked for one id (the view would read the events of all runs).
SELECT r.RunId AS run_id, toString(r.Kind) AS kind, toString(r.Subject) AS subject, r.Selection AS selection, r.Metrics AS metrics,
       r.Estimate AS estimate, r.Config AS config, r.RetryOf AS retry_of, toString(r.Author) AS author,
       toUnixTimestamp64Micro(r.CreatedAt) AS created_us, multiIf(e.Final != '', e.Final, e.Last != '', e.Last, 'PENDING') AS state,
       e.Done AS done, e.Total AS total, e.Usage AS usage, e.Detail AS detail, e.Checkpoint AS checkpoint,
       e.Cancels > 0 AND e.Final IN ('', 'CANCELLED') AS cancel_requested, toUnixTimestamp64Micro(e.UpdatedAt) AS updated_us
FROM (SELECT * FROM runs FINAL WHERE RunId IN {run_ids:Array(String)} AND Kind IN ('batch', 'backfill', 'recompute')) AS r
LEFT JOIN (
    SELECT RunId, argMinIf(toString(x.State), x.At, Event = 'state' AND State IN {finals:Array(String)}) AS Final,
           argMaxIf(toString(x.State), x.At, Event = 'state') AS Last,
           argMaxIf(x.Done, x.At, Event IN ('state', 'progress')) AS Done, argMaxIf(x.Total, x.At, Event IN ('state', 'progress')) AS Total,
           argMaxIf(x.Usage, x.At, Event IN ('state', 'progress')) AS Usage,
           argMinIf(x.Detail, x.At, Event = 'state' AND State IN {finals:Array(String)}) AS Detail,
           argMaxIf(x.Detail, x.At, Event = 'checkpoint') AS Checkpoint, countIf(Event = 'cancel_requested') AS Cancels, max(x.At) AS UpdatedAt
    FROM run_events AS x WHERE RunId IN {run_ids:Array(String)} GROUP BY RunId
) AS e ON r.RunId = e.RunId
ORDER BY created_us DESC, run_id DESC
