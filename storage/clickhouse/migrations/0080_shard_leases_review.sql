-- Whoever fills review queues holds the lease 'review' meanwhile.
INSERT INTO shard_leases SELECT 'review', toUInt16(0), '', 0, toDateTime64(0, 3) WHERE 'review' NOT IN (SELECT Name FROM shard_leases)
