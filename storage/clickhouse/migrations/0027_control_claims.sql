CREATE TABLE IF NOT EXISTS control_claims
(
    Shard UInt8,
    Claims Map(String, String)
)
ENGINE = MergeTree ORDER BY Shard SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1
