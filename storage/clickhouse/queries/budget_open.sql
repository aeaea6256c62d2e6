-- Make the row of a budget's day.  Any number of times: the same block is stored once.
INSERT INTO budget_grants (Scope, Day, Unit, Spent, DailyLimit) SETTINGS async_insert = 0 VALUES ({scope:String}, {day:Date}, {unit:String}, 0, 0)
