-- What attempts and deaths need to be told apart; the notes of 0022 hold but for these:
--  retrying        an attempt failed, the rule's policy has another: at NextAttemptAt.  'failed' is final: it is written once, when the policy is spent.
--  Attempt         evaluations, the current one included; the death of a worker is none.
--  Tries           of 'started': how often a worker began this attempt.  At three the target is set aside (poisoned).
--  FirstAttemptAt  of 'retrying' and the attempts after it: when the first attempt was decided; a policy's greatest age counts from there.
ALTER TABLE decisions
    ADD COLUMN IF NOT EXISTS Tries UInt8 DEFAULT 1,
    ADD COLUMN IF NOT EXISTS FirstAttemptAt DateTime64(3) DEFAULT toDateTime64(0, 3),
    MODIFY COLUMN Decision Enum8('scored' = 1, 'failed' = 2, 'not_computed' = 3, 'not_applicable' = 4, 'over_budget' = 5, 'rate_limited' = 6, 'too_large' = 7, 'no_content' = 8, 'too_late' = 9, 'dependency_failed' = 10,
                   'started' = 11, 'waiting' = 12, 'poisoned' = 13, 'cancelled' = 14, 'retrying' = 15)
