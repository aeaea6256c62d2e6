-- The proof of an erasure.  Digests are made here, so that the ids of the plan do not travel.
INSERT INTO erasures (Kind, Target, Traces, Removed, Author, StartedAt)
SELECT {kind:String}, unhex({target:String}), (SELECT groupArray(sipHash128(Id)) FROM (SELECT DISTINCT Id FROM erasing WHERE Request = {target:String} AND Kind = 'trace')),
       CAST(({tables:Array(String)}, {rows:Array(UInt64)}), 'Map(String, UInt64)'), {author:String}, fromUnixTimestamp64Milli({started_ms:Int64})
