-- Where budgets stand, of today and yesterday (UTC).
SELECT Scope AS scope, Day AS day, toString(Unit) AS unit, Spent AS spent, arraySum(mapValues(Draws)) AS drawn, DailyLimit AS daily_limit
FROM budget_grants WHERE Day >= toDate(now('UTC')) - 1 AND Scope IN {scopes:Array(String)}
