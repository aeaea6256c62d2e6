INSERT INTO shard_leases SELECT tupleElement(x, 1), tupleElement(x, 2), '', 0, toDateTime64(0, 3)
FROM (SELECT arrayJoin(arrayConcat(arrayMap(i -> ('score', toUInt16(i)), range(16)), [('writeback', toUInt16(0)), ('maintenance', toUInt16(0))])) AS x)
WHERE x NOT IN (SELECT Name, Shard FROM shard_leases)
