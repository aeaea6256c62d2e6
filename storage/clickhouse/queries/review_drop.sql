-- Take out one item, or (no items named) everything that is in a queue.
DELETE FROM review_items
WHERE Queue = {queue:String} AND (empty({items:Array(String)}) OR ItemId IN (SELECT toUUIDOrZero(arrayJoin({items:Array(String)}))))
