-- Whether a run has a final state.
SELECT count() > 0 AS final FROM run_events WHERE RunId = {run_id:String} AND Event = 'state' AND State IN {finals:Array(String)}
