-- Give the place of an item back, and pass it by where that is meant; any number of times.
UPDATE review_items SET Skipped = if({pass:Bool} AND NOT has(Skipped, {me:String}), arrayPushBack(Skipped, {me:String}), Skipped), Claims = mapFilter((k, v) -> k != {me:String}, Claims)
WHERE Queue = {queue:String} AND ItemId IN (SELECT toUUIDOrZero(arrayJoin({items:Array(String)})))
SETTINGS update_parallel_mode = 'auto'
