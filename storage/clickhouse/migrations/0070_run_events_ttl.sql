-- Progress and checkpoints are superseded by the next ones: a run that works or waits writes them again at least twice a day, and
-- its last state, which stays, has the totals.
ALTER TABLE run_events MODIFY TTL toDateTime(At) + INTERVAL 2 DAY DELETE WHERE Event IN ('progress', 'checkpoint')
