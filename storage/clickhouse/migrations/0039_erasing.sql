-- The plan of erasures under way: what belongs to what is erased.  It outlives a crash, so that asking again finds what is left when the spans that named it
-- are gone.  A partition per request, dropped as its last step.  Request is a digest; Kind: root_trace, root_session, root_user, trace, session, neighbour, evaluation, rows.
CREATE TABLE IF NOT EXISTS erasing
(
    Request String,
    Kind LowCardinality(String),
    Id String,
    At DateTime64(3) DEFAULT now64(3)
)
ENGINE = MergeTree PARTITION BY Request ORDER BY (Kind, Id)
