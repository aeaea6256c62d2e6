-- What a person decided about an alignment is a document, too: its name is the run's id, so that of two decisions one is made.
ALTER TABLE control_docs DROP CONSTRAINT IF EXISTS known_kind,
    ADD CONSTRAINT IF NOT EXISTS known_kind CHECK Kind IN ('metric', 'rule', 'dataset', 'queue', 'experiment', 'endpoint', 'alert', 'alignment')
