-- The store's clock, by which a budget's day begins for all processes at once.
SELECT toUnixTimestamp64Milli(now64(3)) AS now_ms
