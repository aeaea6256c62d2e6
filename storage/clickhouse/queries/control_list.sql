-- The current version of every live document of a kind, by name.
SELECT Name AS name, Version AS version, Doc AS doc, Deleted AS deleted, Author AS author, toUnixTimestamp64Milli(UpdatedAt) AS created_ms
FROM control_current
WHERE Kind = {kind:String} AND Name > {after:String}
ORDER BY Name
LIMIT {max_rows:UInt32}
