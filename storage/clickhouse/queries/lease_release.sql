UPDATE shard_leases SET Owner = '', Epoch = Epoch + 1, ExpiresAt = toDateTime64(0, 3)
WHERE Owner = {me:String}
SETTINGS update_parallel_mode = 'auto'
