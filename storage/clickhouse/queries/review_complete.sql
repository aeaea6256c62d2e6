-- The places of reservations become those of verdicts; any number of times.
UPDATE review_items SET Done = arrayPushBack(Done, {me:String}), Claims = mapFilter((k, v) -> k != {me:String}, Claims), Skipped = arrayFilter(x -> x != {me:String}, Skipped)
WHERE Queue = {queue:String} AND ItemId IN (SELECT toUUIDOrZero(arrayJoin({items:Array(String)}))) AND NOT has(Done, {me:String})
SETTINGS update_parallel_mode = 'auto'
