-- Ids of alignments (of one metric), newest first, strictly before (created, id).
SELECT RunId AS run_id
FROM runs FINAL
WHERE Kind = 'alignment' AND ({metric:String} = '' OR Subject = {metric:String})
  AND (toUnixTimestamp64Micro(CreatedAt), RunId) < ({before_us:Int64}, {before_id:String})
ORDER BY CreatedAt DESC, RunId DESC
LIMIT {max_rows:UInt32}
