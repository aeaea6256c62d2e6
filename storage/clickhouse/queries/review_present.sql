-- Which of these items there are.
SELECT toString(ItemId) AS item_id FROM review_items
WHERE Queue = {queue:String} AND ItemId IN (SELECT toUUIDOrZero(arrayJoin({items:Array(String)})))
