-- What becomes of a target whose rule's filter reads results of other metrics, once these are there and it is not true.
-- What a filter leaves out at once is not written: it can be worked out.
ALTER TABLE decisions
    MODIFY COLUMN Decision Enum8('scored' = 1, 'failed' = 2, 'not_computed' = 3, 'not_applicable' = 4, 'over_budget' = 5, 'rate_limited' = 6, 'too_large' = 7, 'no_content' = 8, 'too_late' = 9, 'dependency_failed' = 10,
                   'started' = 11, 'waiting' = 12, 'poisoned' = 13, 'cancelled' = 14, 'retrying' = 15, 'filtered_out' = 16)
