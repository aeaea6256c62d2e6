-- Parts that may still hold what was erased: replaced ones, which wait for their removal, and patches of spans.
SELECT table, name, startsWith(partition_id, 'patch-') AS patch, active, partition_id, min_block_number AS first_block, max_block_number AS last_block
FROM system.parts
WHERE database = currentDatabase() AND table IN {tables:Array(String)} AND (NOT active OR startsWith(partition_id, 'patch-'))
