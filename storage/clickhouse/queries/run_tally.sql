-- What is done of a run: settled pairs of its ledger by decision, and what its results cost.
SELECT (SELECT groupArray((decision, pairs)) FROM (
            SELECT toString(Decision) AS decision, count() AS pairs FROM decisions FINAL
            WHERE RuleId = {ledger:String} AND Decision NOT IN ('started', 'waiting') GROUP BY decision)) AS decisions,
       sum(Attempts) AS judge_calls, sum(InputTokens) AS input_tokens, sum(OutputTokens) AS output_tokens, sum(CostUsd) AS cost_usd,
       countIf(Unpriced) AS unpriced
FROM (
    SELECT toUInt64OrZero(Metadata['attempts']) AS Attempts, InputTokens, OutputTokens, CostUsd, Metadata['cost'] = 'unknown' AS Unpriced
    FROM evaluations WHERE RunId = {run_id:String} AND Kind IN ('judge', 'composite', 'code')  -- of millions of others nothing is to be summed
    LIMIT 1 BY EvaluationId, Attempt
)
