-- What a watcher of an alignment sees: its run events, in order.  A view, so there is one record of a run.
CREATE VIEW IF NOT EXISTS alignment_events AS
SELECT RunId, At, Event, State, Phase, Done, Total, Usage, Detail FROM run_events WHERE RunId IN (SELECT RunId FROM runs WHERE Kind = 'alignment')
