-- What was spent of a budget on one UTC day, in one unit, and what its workers have drawn and not spent yet.
-- Scope: 'rule:NAME' or 'installation'.  Draws: token -> amount; every worker has one token at most, and each of its draws replaces the token by
-- ONE conditional UPDATE (query budget_draw): that the new one is there is the proof that the draw took place, once.  Spent + the draws never
-- exceed the limit, but for what calls under way took more than was expected of them.
-- DailyLimit is the limit as the last draw knew it, for readers.  A row is made once a day: the same block is stored once.
CREATE TABLE IF NOT EXISTS budget_grants
(
    Scope String,
    Day Date,
    Unit Enum8('calls' = 1, 'tokens' = 2, 'usd' = 3),
    Spent Float64,
    DailyLimit Float64,
    Draws Map(String, Float64)
)
ENGINE = MergeTree ORDER BY (Scope, Day, Unit) TTL Day + INTERVAL 400 DAY
SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1, non_replicated_deduplication_window = 10000
