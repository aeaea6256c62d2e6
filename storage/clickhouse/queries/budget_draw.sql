-- Say what was spent of a worker's draw and replace it by a new one, under a new token.  One conditional UPDATE of one row: the server
-- serialises it, and it takes place once, however often it is sent.  `need` is for calls under way; beyond it a worker gets half of what is
-- there at most, so that the last of a budget is not with one worker while another wants it.
UPDATE budget_grants SET
    Draws = mapUpdate(mapFilter((token, amount) -> token != {old:String}, Draws), map({new:String}, greatest(0., least(
        {limit:Float64} - Spent - {spent:Float64} - arraySum(mapValues(Draws)) + Draws[{old:String}],
        greatest({need:Float64}, least({want:Float64}, if(Unit = 'calls',
            floor(({limit:Float64} - Spent - {spent:Float64} - arraySum(mapValues(Draws)) + Draws[{old:String}]) / 2),
            ({limit:Float64} - Spent - {spent:Float64} - arraySum(mapValues(Draws)) + Draws[{old:String}]) / 2))))))),
    Spent = Spent + {spent:Float64},
    DailyLimit = {limit:Float64}
WHERE Scope = {scope:String} AND Day = {day:Date} AND Unit = {unit:String}
  AND NOT mapContains(Draws, {new:String}) AND ({old:String} = '' OR mapContains(Draws, {old:String}))
SETTINGS update_parallel_mode = 'auto'
