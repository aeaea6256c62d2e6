-- Turns of alerts, newest first; the same turn, written again, once.
SELECT *
FROM (
    SELECT toString(AlertId) AS alert, AlertVersion AS version, toString(State) AS state, toUnixTimestamp64Micro(Since) AS since_us, Value AS value, Bound AS bound,
           Samples AS samples, Reason AS reason, toUnixTimestamp64Micro(At) AS at_us
    FROM alert_events
    WHERE AlertId IN {alerts:Array(String)} AND At < fromUnixTimestamp64Micro({before_us:Int64})
    LIMIT 1 BY AlertId, At
)
ORDER BY at_us DESC
LIMIT {per_alert:UInt32} BY alert
