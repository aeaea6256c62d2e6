-- What became of the targets of every rule that completed in [since, until), per metric; behind rule_funnel and rule_lag, for any time of the last 30 days.
-- One row per rule, metric and unit: a trace (for rules of spans with `Targets` spans in it) or a session.  Targets is the sum of the columns from SampledOut to Poisoned.
--  SampledOut   its hash falls outside the rate in force then.      Queued       complete, and no evaluator has looked that far (table cursors).
--  FilteredOut  what is left: looked at and not wanted: the filter, the scope, or a kind of span that the metric is not about.  Where a filter waited for
--               results of other metrics, the ledger says so.
--  Waiting      for a result of others, or taken up by a worker that died.  Retrying: an attempt failed and another is planned.
--  LagMs        from completion (of the revision that was scored) to the decision that ended it, one entry per target that has one.
--  SeenMs       of the same targets: the newest arrival that their revision is about.
-- Completion as rules see it (query ready_traces) with ASSAY_TRACE_IDLE_SECONDS = 30.  The newest decision about the newest revision counts; one that
-- came too late does not hide what was decided before.  Nothing that is not complete yet is here, unless an earlier revision of it was decided.
CREATE OR REPLACE VIEW rule_targets_between DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
    (SELECT max(SessionIdleMs) FROM rule_periods WHERE Level = 'session') AS session_ms,
    (SELECT count() FROM rule_periods WHERE Level = 'span') > 0 AS of_spans,
    (SELECT count() FROM rule_periods WHERE SamplePpm != ExperimentPpm) > 0 AS of_sources,
    journal AS (
        SELECT TraceId, IngestedAt FROM trace_events
        WHERE IngestedAt >= addMilliseconds({since:DateTime64(3)}, -greatest(30000, session_ms)) AND IngestedAt < {until:DateTime64(3)}
          AND match(TraceId, '^[0-9a-f]{32}$') AND match(TraceId, '[1-9a-f]')
    ),
    arrived AS (
        SELECT TraceId, toUnixTimestamp64Milli(max(x.LastIngested)) AS LastMs, min(x.FirstIngested) AS First, min(x.Start) AS T0, max(x.LastStart) AS T1, if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot)).2 AS RootSpanId,
               if(sum(x.Roots) = 0, 30000, if(length(groupUniqArrayArray(x.ServiceNames)) > 1 OR sum(x.Logs) > 0, 6000, 1000)) AS QuietMs,
               arrayConcat(groupUniqArrayArray(x.SessionIds), [max(x.SessionId)]) AS Sessions
        FROM traces_rollup AS x WHERE TraceId IN (SELECT TraceId FROM journal) GROUP BY TraceId HAVING sum(x.Spans) > 0
    ),
    (SELECT (min(T0), max(T1), min(First)) FROM arrived) AS bounds,
    experiments AS (
        SELECT TraceId, groupUniqArray(SpanId) AS Spans FROM otel_traces
        WHERE of_sources AND TraceId IN (SELECT TraceId FROM journal) AND Timestamp >= bounds.1 AND Timestamp <= bounds.2
          AND (SpanAttributes['assay.experiment.id'] != '' OR ResourceAttributes['assay.experiment.id'] != '')
        GROUP BY TraceId
    ),
    members AS (
        SELECT SessionId, TraceId FROM session_traces WHERE session_ms > 0 AND SessionId != '' AND SessionId IN (SELECT arrayJoin(Sessions) FROM arrived) GROUP BY SessionId, TraceId
    ),
    units AS (
        SELECT 'trace' AS Kind, a.TraceId AS UnitId, s.Spans AS Spans, a.RootSpanId AS RootSpanId, a.LastMs AS LastMs, toInt64(a.QuietMs) AS QuietMs
        FROM arrived AS a
        LEFT JOIN (
            SELECT TraceId, uniqExact(SpanId) AS Spans FROM otel_traces
            WHERE of_spans AND TraceId IN (SELECT TraceId FROM journal) AND match(SpanId, '^[0-9a-f]{16}$') AND SpanId != '0000000000000000' AND Timestamp >= bounds.1 AND Timestamp <= bounds.2
            GROUP BY TraceId
        ) AS s ON s.TraceId = a.TraceId
        UNION ALL
        SELECT 'session', m.SessionId, toUInt64(0), '', max(r.LastMs), toInt64(0)
        FROM (SELECT TraceId, toUnixTimestamp64Milli(max(y.LastIngested)) AS LastMs FROM traces_rollup AS y WHERE TraceId IN (SELECT TraceId FROM members) GROUP BY TraceId HAVING sum(y.Spans) > 0) AS r
        INNER JOIN members AS m ON r.TraceId = m.TraceId
        GROUP BY m.SessionId
    ),
    placed AS (
        SELECT p.RuleId AS RuleId, p.MetricName AS MetricName, p.Level AS Level, u.UnitId AS UnitId, if(p.Level = 'span', u.Spans, 1) AS InUnit, if(p.Level = 'span', length(x.Spans), has(x.Spans, u.RootSpanId)) AS OfExperiments, 
               multiIf(p.Level = 'session', p.SessionIdleMs, p.AtIngest, 0, u.QuietMs) AS Quiet, e.Ends AS Ends,
               arrayMin(arrayPushBack(arrayFilter(x -> x >= u.LastMs, e.Ends), u.LastMs + Quiet)) AS ReadyMs, toUnixTimestamp64Milli(now64(3)) AS NowMs,
               arrayFirst(x -> x.1 <= ReadyMs AND ReadyMs < x.2, p.Periods) AS InForce, ReadyMs <= NowMs AND InForce.3 > 0 AS Wanted
        FROM units AS u
        INNER JOIN (
            SELECT RuleId, MetricName, Level, if(Level = 'session', 'session', 'trace') AS Kind, arrayReverseSort(x -> x.3, groupArray((toUnixTimestamp64Milli(From), toUnixTimestamp64Milli(To), RuleVersion, SamplePpm, ExperimentPpm))) AS Periods,
                   argMax(AtIngest, RuleVersion) AS AtIngest, argMax(SessionIdleMs, RuleVersion) AS SessionIdleMs
            FROM rule_periods GROUP BY RuleId, MetricName, Level
        ) AS p ON u.Kind = p.Kind
        LEFT JOIN (
            SELECT toString(Level) AS Of, TargetId, groupUniqArray(toUnixTimestamp64Milli(EndedAt)) AS Ends
            FROM completions WHERE EndedAt >= {since:DateTime64(3)} AND EndedAt < {until:DateTime64(3)} GROUP BY Of, TargetId
        ) AS e ON e.TargetId = u.UnitId AND e.Of = u.Kind
        LEFT JOIN experiments AS x ON x.TraceId = u.UnitId
    ),
    decided AS (
        SELECT RuleId, MetricName, Level, UnitId, count() AS Decided, countIf(What = 'waiting') AS Waiting, countIf(What = 'retrying') AS Retrying, countIf(What = 'started') AS Started,
               countIf(What = 'scored') AS Scored, countIf(What = 'not_applicable') AS NotApplicable, countIf(What = 'not_computed') AS NotComputed, countIf(What = 'failed') AS Failed,
               countIf(What = 'dependency_failed') AS DependencyFailed, countIf(What = 'over_budget') AS OverBudget, countIf(What = 'too_late') AS TooLate, countIf(What = 'cancelled') AS Cancelled,
               countIf(What = 'poisoned') AS Poisoned, countIf(What = 'filtered_out') AS NotWanted, groupArrayIf((SeenMs, AtMs), What IN ('scored', 'not_applicable', 'not_computed', 'failed', 'dependency_failed')) AS Ended
        FROM (
            SELECT RuleId, MetricName, toString(Level) AS Level, if(Level = 'session', TargetId, substring(TargetId, 1, 32)) AS UnitId,
                   argMax((Decision, Watermark, DecidedAt, Worker, startsWith(Reason, 'REQUIRED_METRIC_FAILED: ')), (Decision != 'too_late', Watermark, DecidedAt)) AS Newest,
                   toUnixTimestamp64Milli(Newest.2) AS SeenMs, intDiv(toUnixTimestamp64Micro(Newest.3), 1000) AS AtMs,
                   multiIf(Newest.1 = 'started' AND Newest.4 NOT IN (SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3)), 'waiting', Newest.1 = 'rate_limited', 'waiting',
                           Newest.1 IN ('too_large', 'no_content'), 'not_applicable', Newest.1 = 'failed' AND Newest.5, 'dependency_failed', toString(Newest.1)) AS What
            FROM decisions FINAL
            WHERE NOT startsWith(RuleId, 'run:') AND Watermark >= bounds.3
            GROUP BY RuleId, MetricName, Level, TargetId
        )
        GROUP BY RuleId, MetricName, Level, UnitId
    )
SELECT u.RuleId AS RuleId, u.MetricName AS MetricName, u.Level AS Level, u.UnitId AS UnitId, fromUnixTimestamp64Milli(least(u.ReadyMs, u.NowMs)) AS CompletedAt,
       if(u.Wanted, greatest(u.InUnit, d.Decided), d.Decided) AS Targets, cityHash64(u.UnitId, 'assay') % 1000000 AS Bucket,
       least(Targets - d.Decided, if(Bucket >= u.InForce.4, u.InUnit - u.OfExperiments, 0) + if(Bucket >= u.InForce.5, u.OfExperiments, 0)) AS SampledOut,
       if(CompletedAt <= c.LookedUntil, Targets - d.Decided - SampledOut, 0) AS Passed, d.NotWanted + Passed AS FilteredOut, Targets - d.Decided - SampledOut - Passed AS Queued,
       d.Waiting AS Waiting, d.Retrying AS Retrying, d.Started AS Started, d.Scored AS Scored, d.NotApplicable AS NotApplicable, d.NotComputed AS NotComputed, d.Failed AS Failed,
       d.DependencyFailed AS DependencyFailed, d.OverBudget AS OverBudget, d.TooLate AS TooLate, d.Cancelled AS Cancelled, d.Poisoned AS Poisoned,
       arrayMap(x -> if(u.Level = 'span', greatest(x, arrayFirst((a, next) -> a >= x AND next - a > u.Quiet, j.Arrivals, arrayPushBack(arrayPopFront(j.Arrivals), 9000000000000))), x), d.Ended.1) AS SeenMs,
       arrayMap((seen, at) -> greatest(0, at - arrayMin(arrayPushBack(arrayFilter(x -> x >= seen, u.Ends), seen + u.Quiet))), SeenMs, d.Ended.2) AS LagMs
FROM placed AS u
LEFT JOIN decided AS d ON d.RuleId = u.RuleId AND d.MetricName = u.MetricName AND d.Level = u.Level AND d.UnitId = u.UnitId
LEFT JOIN (SELECT Name, argMax(Cursor, UpdatedAt) AS LookedUntil FROM cursors GROUP BY Name) AS c ON c.Name = u.RuleId
LEFT JOIN (SELECT TraceId, arraySort(groupUniqArray(toUnixTimestamp64Milli(IngestedAt))) AS Arrivals FROM journal WHERE of_spans GROUP BY TraceId) AS j ON j.TraceId = u.UnitId
WHERE Targets > 0 AND CompletedAt >= {since:DateTime64(3)} AND CompletedAt < {until:DateTime64(3)}
