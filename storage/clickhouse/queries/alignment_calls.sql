-- Answers that runs have, one of each key: where several are there, any serves.
SELECT hex(Key) AS key, toString(Kind) AS kind, Response AS response, Calls AS calls, InputTokens AS input_tokens, OutputTokens AS output_tokens,
       CostUsd AS cost_usd
FROM alignment_calls WHERE RunId IN {run_ids:Array(String)} LIMIT 1 BY Key
