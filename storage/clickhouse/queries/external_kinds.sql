-- What kinds of things anything waits for.
SELECT DISTINCT splitByChar(':', Subject)[1] AS kind FROM external_waiting FINAL WHERE NOT Settled
