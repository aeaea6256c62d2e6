-- What maintenance did, one row per round that changed anything: a few rows a day at most, kept for ever, so that their sums are totals.
--   SpansRemoved, ForeignSpansRemoved     surplus copies of spans: of our receiver's (a client retried), of other writers'
--   LogsRemoved                           log records of requests that were stored again
--   JournalAdded, RollupsRepaired, SessionsAdded   rows of trace_events, traces of traces_rollup, rows of session_traces
CREATE TABLE IF NOT EXISTS maintenance_rounds
(
    At DateTime64(3) DEFAULT now64(3),
    Worker LowCardinality(String),
    SpansRemoved UInt64,
    ForeignSpansRemoved UInt64,
    LogsRemoved UInt64,
    JournalAdded UInt64,
    RollupsRepaired UInt64,
    SessionsAdded UInt64
)
ENGINE = MergeTree ORDER BY At
SETTINGS index_granularity = 1024
