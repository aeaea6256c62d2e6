-- Reserve a place of each of these items: won where Claims has me afterwards.  One conditional UPDATE: the server serialises it.
UPDATE review_items SET Claims = mapUpdate(mapFilter((k, v) -> v > now64(3), Claims), map({me:String}, now64(3) + toIntervalMillisecond({ttl_ms:UInt64})))
WHERE Queue = {queue:String} AND ItemId IN (SELECT toUUIDOrZero(arrayJoin({items:Array(String)}))) AND NOT has(Done, {me:String})
  AND length(mapKeys(mapFilter((k, v) -> k != {me:String} AND v > now64(3), Claims))) + length(Done) < {quorum:UInt16}
SETTINGS update_parallel_mode = 'auto'
