-- Places of verdicts that were taken back are free again.
UPDATE review_items SET Done = arrayFilter(x -> x != {me:String}, Done)
WHERE Queue = {queue:String} AND ItemId IN (SELECT toUUIDOrZero(arrayJoin({items:Array(String)}))) AND has(Done, {me:String})
SETTINGS update_parallel_mode = 'auto'
