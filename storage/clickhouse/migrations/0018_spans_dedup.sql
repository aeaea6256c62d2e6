-- Point look-ups only (WHERE TraceId = ..): one row per span, the one that arrived first.  The condition reaches the table (checked).
CREATE VIEW IF NOT EXISTS spans_dedup DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM spans ORDER BY TraceId, SpanId, IngestedAt LIMIT 1 BY TraceId, SpanId
