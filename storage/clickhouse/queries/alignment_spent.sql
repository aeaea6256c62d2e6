-- What the answers of one run took.  A key that two workers paid for was paid twice.
SELECT sumIf(Calls, Kind = 'judge') AS judge_calls, sumIf(Calls, Kind = 'reflection') AS reflection_calls,
       sum(InputTokens) AS input_tokens, sum(OutputTokens) AS output_tokens, sum(CostUsd) AS cost_usd
FROM alignment_calls WHERE RunId = {run_id:String}
