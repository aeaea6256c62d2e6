-- One row per run.  The FIRST final state is the state: a late worker cannot reopen a run, a second cancel changes nothing.  A cancel request on a finished run does not show.
CREATE VIEW IF NOT EXISTS run_state AS
SELECT r.RunId AS RunId, r.Kind AS Kind, r.Subject AS Subject, r.Author AS Author, r.CreatedAt AS CreatedAt,
       multiIf(e.Finals > 0, e.Final, e.Last != '', e.Last, 'PENDING') AS State, e.Finals > 0 AS IsFinal, e.Phase AS Phase, e.Done AS Done, e.Total AS Total, e.Usage AS Usage, e.Checkpoint AS Checkpoint,
       e.Cancels > 0 AND (e.Finals = 0 OR e.Final = 'CANCELLED') AS CancelRequested, e.Resolution AS Resolution, e.FinalDetail AS Result, r.RetryOf AS RetryOf, e.UpdatedAt AS UpdatedAt, r.Selection AS Selection, r.Metrics AS Metrics, r.Estimate AS Estimate, r.Config AS Config
FROM (SELECT * FROM runs FINAL) AS r
LEFT JOIN (SELECT RunId, countIf(Event = 'state' AND upper(State) IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED', 'ALIGNED', 'ERROR')) AS Finals,
                  argMinIf(toString(x.State), x.At, Event = 'state' AND upper(State) IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED', 'ALIGNED', 'ERROR')) AS FinalState, upper(FinalState) AS Final,
                  upper(argMaxIf(toString(x.State), x.At, Event = 'state')) AS Last, argMaxIf(toString(x.Phase), x.At, x.Phase != '') AS Phase, argMaxIf(x.Done, x.At, Event IN ('state', 'progress')) AS Done, argMaxIf(x.Total, x.At, Event IN ('state', 'progress')) AS Total,
                  argMaxIf(x.Usage, x.At, notEmpty(x.Usage)) AS Usage, argMaxIf(x.Detail, x.At, Event = 'checkpoint') AS Checkpoint, countIf(Event = 'cancel_requested') AS Cancels,
                  argMinIf(x.Detail, x.At, Event = 'resolution') AS Resolution, argMinIf(x.Detail, x.At, Event = 'state' AND upper(State) IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED', 'ALIGNED', 'ERROR')) AS FinalDetail, max(x.At) AS UpdatedAt
           FROM run_events AS x GROUP BY RunId) AS e ON r.RunId = e.RunId
