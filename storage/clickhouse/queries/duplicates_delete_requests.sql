DELETE FROM /*table*/
WHERE IngestedAt IN (SELECT fromUnixTimestamp64Milli(arrayJoin({arrivals_ms:Array(Int64)}))) AND /*rows*/
  AND concat(hex(RequestDigest), ' ', toString(toUnixTimestamp64Milli(IngestedAt)), ' ', toString(toDate(Timestamp))) IN {parts:Array(String)}
