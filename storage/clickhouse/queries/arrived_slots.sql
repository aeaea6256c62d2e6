-- How many rows of the journal there are of each slot of a window (from, until].  What became visible late makes it more than it was.
SELECT intDiv(toUnixTimestamp64Milli(IngestedAt), {slot_ms:Int64}) AS slot, count() AS arrivals
FROM trace_events
WHERE IngestedAt > fromUnixTimestamp64Milli({from_ms:Int64}) AND IngestedAt <= fromUnixTimestamp64Milli({until_ms:Int64})
GROUP BY slot
