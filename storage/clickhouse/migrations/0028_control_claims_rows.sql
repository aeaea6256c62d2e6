-- Two migrators racing may create a shard row twice; both copies get the same updates, readers use any().
INSERT INTO control_claims SELECT toUInt8(number), map() FROM numbers(64) WHERE number NOT IN (SELECT Shard FROM control_claims)
