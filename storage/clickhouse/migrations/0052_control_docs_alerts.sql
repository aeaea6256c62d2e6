-- Alerts are definitions, too.
ALTER TABLE control_docs DROP CONSTRAINT IF EXISTS known_kind,
    ADD CONSTRAINT IF NOT EXISTS known_kind CHECK Kind IN ('metric', 'rule', 'dataset', 'queue', 'experiment', 'endpoint', 'alert')
