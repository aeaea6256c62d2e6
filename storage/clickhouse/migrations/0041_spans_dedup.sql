-- The view of 0018 again: a view keeps the columns that `*` had when it was made.
CREATE OR REPLACE VIEW spans_dedup DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM spans ORDER BY TraceId, SpanId, IngestedAt LIMIT 1 BY TraceId, SpanId
