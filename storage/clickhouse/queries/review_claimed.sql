-- Which of these items are reserved by me, and until when.
SELECT toString(ItemId) AS item_id, toUnixTimestamp64Milli(Claims[{me:String}]) AS until_ms
FROM review_items
WHERE Queue = {queue:String} AND ItemId IN (SELECT toUUIDOrZero(arrayJoin({items:Array(String)}))) AND Claims[{me:String}] > now64(3)
