-- Deliveries, one row each, as their newest version stands.  What is asked for stands in place of the comment.
SELECT toString(DeliveryId) AS delivery_id, toString(Source) AS source, toString(Owner) AS owner, toString(Action) AS action, toString(Kind) AS kind,
       toString(EvaluationId) AS evaluation_id, TraceId AS trace_id, SessionId AS session_id, Body AS body, toString(State) AS state, Attempts AS attempts,
       toUnixTimestamp64Milli(NextAttemptAt) AS next_attempt_ms, toUnixTimestamp64Milli(GiveUpAt) AS give_up_ms, LastError AS last_error,
       toUnixTimestamp64Micro(CreatedAt) AS created_us, toUnixTimestamp64Micro(UpdatedAt) AS updated_us, Version AS version
FROM action_deliveries FINAL
/*where*/
