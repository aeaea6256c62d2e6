-- All session ids of a trace: a late span or log without one belongs to every session of its trace, and wakes each of them.
-- Rows from before have none here; their `SessionId` is the greatest.
ALTER TABLE traces_rollup ADD COLUMN IF NOT EXISTS SessionIds SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1))
