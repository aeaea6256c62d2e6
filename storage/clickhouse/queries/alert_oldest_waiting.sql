-- What rules have begun, or said they would go on with by now, and have not concluded: since when the oldest of it waits.
SELECT count() AS n, toUnixTimestamp64Micro(toDateTime64(min(Watermark), 6)) AS since_us
FROM evaluations_open
WHERE NOT startsWith(RuleId, 'run:') AND ({rule:String} = '' OR RuleId = {rule:String}) AND NextAttemptAt <= now64(3)
