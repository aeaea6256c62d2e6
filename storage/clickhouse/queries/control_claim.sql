-- Claim version v of a name for a token, if nobody has it.  One conditional UPDATE of one row: the server serialises it.
-- The second condition makes versions gapless: v needs v-1.
UPDATE control_claims SET Claims = mapUpdate(Claims, map(concat({kind:String}, '/', {name:String}, '@', toString({version:UInt32})), {token:String}))
WHERE Shard = cityHash64({kind:String}, {name:String}) % 64
  AND NOT mapContains(Claims, concat({kind:String}, '/', {name:String}, '@', toString({version:UInt32})))
  AND ({version:UInt32} = 1 OR mapContains(Claims, concat({kind:String}, '/', {name:String}, '@', toString({version:UInt32} - 1))))
SETTINGS update_parallel_mode = 'auto'
