-- How far the mutations of one table are, of one erasure (`mark` stands in their text) or by their kind.
SELECT count() AS waiting, max(parts_to_do) AS parts, anyLast(latest_fail_reason) AS reason
FROM system.mutations
WHERE database = currentDatabase() AND table = {table:String} AND NOT is_done AND position(command, {mark:String}) > 0
