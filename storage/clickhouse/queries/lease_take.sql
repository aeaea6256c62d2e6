-- Take every free or expired shard of a kind of work, and renew the own ones.  One conditional UPDATE: the server serialises it.
UPDATE shard_leases SET Owner = {me:String}, Epoch = Epoch + 1, ExpiresAt = now64(3) + toIntervalMillisecond({ttl_ms:UInt32})
WHERE Name = {name:String} AND (ExpiresAt < now64(3) OR Owner = {me:String})
SETTINGS update_parallel_mode = 'auto'
