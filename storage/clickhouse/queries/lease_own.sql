SELECT DISTINCT Shard AS shard FROM shard_leases WHERE Name = {name:String} AND Owner = {me:String} AND ExpiresAt > now64(3) ORDER BY shard
