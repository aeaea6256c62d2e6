-- What is to be tried now, oldest first: so many of each action, so that none waits behind another's backlog.
WHERE GiveUpAt >= fromUnixTimestamp64Milli({since_ms:Int64}) AND State = 'pending' AND NextAttemptAt <= fromUnixTimestamp64Milli({until_ms:Int64})
  AND concat(toString(Source), '/', Owner, '/', Action) NOT IN {held:Array(String)}
ORDER BY CreatedAt, DeliveryId
LIMIT {per_lane:UInt32} BY Source, Owner, Action
LIMIT {max_rows:UInt32}
