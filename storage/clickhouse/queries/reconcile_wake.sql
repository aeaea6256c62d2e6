-- Repaired traces are looked at again: by rules, and by the next window of maintenance, which proves the repair.
INSERT INTO trace_events (IngestedAt, TraceId, SessionId, Spans, Roots, Logs, MinTime, MaxTime)
SELECT now64(3), arrayJoin({trace_ids:Array(String)}), '', 0, 0, 0, toDateTime64(0, 9), toDateTime64(0, 9)
