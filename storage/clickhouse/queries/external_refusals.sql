-- How many results of others were refused lately, by reason.
SELECT toString(Reason) AS reason, count() AS refused
FROM external_refused FINAL WHERE ArrivedAt >= now64(3) - toIntervalHour({hours:UInt32})
GROUP BY reason ORDER BY refused DESC, reason
