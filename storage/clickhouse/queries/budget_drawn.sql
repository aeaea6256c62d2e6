-- What became of a draw; no row = the budget's day was not opened yet.
SELECT mapContains(Draws, {new:String}) AS landed, {old:String} != '' AND NOT mapContains(Draws, {old:String}) AS lost, Draws[{new:String}] AS drawn,
       arraySum(mapValues(Draws)) - Draws[{new:String}] AS others, Spent AS spent
FROM budget_grants WHERE Scope = {scope:String} AND Day = {day:Date} AND Unit = {unit:String} LIMIT 1
