-- Ids of runs, newest first, strictly before (created, id).
SELECT RunId AS run_id
FROM (SELECT RunId, CreatedAt FROM runs FINAL WHERE Kind IN ('batch', 'backfill', 'recompute')) AS r
LEFT JOIN (
    SELECT RunId, multiIf(f.Final != '', f.Final, f.Last) AS State
    FROM (
        SELECT RunId, argMinIf(toString(x.State), x.At, State IN {finals:Array(String)}) AS Final, argMax(toString(x.State), x.At) AS Last
        FROM run_events AS x WHERE Event = 'state' GROUP BY RunId
    ) AS f
) AS e ON r.RunId = e.RunId
WHERE (empty({states:Array(String)}) OR if(e.State = '', 'PENDING', e.State) IN {states:Array(String)})
  AND (toUnixTimestamp64Micro(r.CreatedAt), r.RunId) < ({before_us:Int64}, {before_id:String})
ORDER BY r.CreatedAt DESC, r.RunId DESC
LIMIT {max_rows:UInt32}
