-- Versions of one document, newest first.
SELECT Name AS name, Version AS version, Doc AS doc, Deleted AS deleted, Author AS author, toUnixTimestamp64Milli(CreatedAt) AS created_ms
FROM control_history
WHERE Kind = {kind:String} AND Name = {name:String} AND ({version:UInt32} = 0 OR Version = {version:UInt32})
ORDER BY Version DESC
LIMIT {max_rows:UInt32}
