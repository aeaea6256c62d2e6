-- Alignments in the given shards without a final state, oldest first.  A run belongs to the owner of 'score' shard cityHash64(RunId) % 16.
SELECT RunId AS run_id
FROM runs FINAL
WHERE cityHash64(RunId) % 16 IN {shards:Array(UInt16)} AND Kind = 'alignment'
  AND RunId NOT IN (SELECT RunId FROM run_events WHERE Event = 'state' AND State IN {finals:Array(String)})
ORDER BY CreatedAt, RunId
LIMIT 1000
