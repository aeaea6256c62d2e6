SELECT sum(SpansRemoved) AS spans_removed, sum(ForeignSpansRemoved) AS foreign_spans_removed, sum(LogsRemoved) AS logs_removed,
       sum(JournalAdded) AS journal_added, sum(RollupsRepaired) AS rollups_repaired, sum(SessionsAdded) AS sessions_added
FROM maintenance_rounds
