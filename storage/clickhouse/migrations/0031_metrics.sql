-- Typed views for people and SQL clients.
CREATE VIEW IF NOT EXISTS metrics AS
SELECT Name, Version, JSONExtract(Doc, 'levels', 'Array(String)') AS Levels, JSONExtract(Doc, 'span_kinds', 'Array(String)') AS SpanKinds, JSONExtractString(Doc, 'kind') AS Kind, JSONExtractString(Doc, 'output_type') AS OutputType,
       JSONExtractString(Doc, 'description') AS Description, JSONExtractString(Doc, 'digest') AS Digest, Doc, UpdatedAt FROM control_current AS d WHERE d.Kind = 'metric'
