-- Give up what a dead endpoint did not take in time.
INSERT INTO action_deliveries (DeliveryId, Source, Owner, Action, Kind, EvaluationId, TraceId, SessionId, Body, State, Attempts, NextAttemptAt, GiveUpAt, LastError, CreatedAt, Version)
SELECT DeliveryId, Source, Owner, Action, Kind, EvaluationId, TraceId, SessionId, Body, 'gave_up', Attempts, NextAttemptAt, GiveUpAt, if(LastError = '', {error:String}, LastError), CreatedAt, Version + 1
FROM action_deliveries FINAL
WHERE State = 'pending' AND Source = {source:String} AND Owner = {owner:String} AND Action = {action:String} AND GiveUpAt <= fromUnixTimestamp64Milli({until_ms:Int64})
