-- Budgets of today (UTC): those of rules, also where nothing was spent yet, and the installation's once it was drawn from.
-- `Drawn` is with workers, for calls under way and the next ones; what they do not spend comes back.
CREATE VIEW IF NOT EXISTS budgets AS
SELECT Scope, if(startsWith(Scope, 'rule:'), substring(Scope, 6), '') AS RuleId, Unit, toDate(now('UTC')) AS Day,
       argMax(b.DailyLimit, (b.Declared, b.DailyLimit)) AS DailyLimit, sum(b.Spent) AS Spent, sum(b.Drawn) AS Drawn,
       greatest(0., DailyLimit - Spent - Drawn) AS Left
FROM (
    SELECT Scope, toString(Unit) AS Unit, DailyLimit, Spent, arraySum(mapValues(Draws)) AS Drawn, 0 AS Declared
    FROM budget_grants WHERE Day = toDate(now('UTC'))
    UNION ALL
    SELECT concat('rule:', RuleId) AS Scope, arrayJoin(['calls', 'tokens', 'usd']) AS Unit,
           JSONExtractFloat(Doc, 'budget', Unit) AS DailyLimit, 0. AS Spent, 0. AS Drawn, 1 AS Declared
    FROM rules WHERE DailyLimit > 0
) AS b
GROUP BY Scope, Unit
