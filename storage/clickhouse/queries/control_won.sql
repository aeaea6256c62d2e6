-- The claim is permanent, so reading it back tells who won.
SELECT any(Claims[concat({kind:String}, '/', {name:String}, '@', toString({version:UInt32}))]) = {token:String} AS won
FROM control_claims
WHERE Shard = cityHash64({kind:String}, {name:String}) % 64
