-- Statements that are writing into our tables now; `tables` is a regular expression over their names.
-- Needs GRANT SHOW PROCESSES on an external server, or it sees its own user's statements only.
SELECT query_id
FROM system.processes
WHERE query_kind IN ('Insert', 'AsyncInsertFlush', 'Update') AND match(query, {tables:String})
