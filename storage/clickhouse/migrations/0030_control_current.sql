-- The current version of every live document.
CREATE VIEW IF NOT EXISTS control_current AS
SELECT Kind, Name, max(h.Version) AS Version, argMax(h.Doc, h.Version) AS Doc, argMax(h.Author, h.Version) AS Author, min(h.CreatedAt) AS CreatedAt, max(h.CreatedAt) AS UpdatedAt, argMax(h.Deleted, h.Version) AS Deleted
FROM control_history AS h GROUP BY Kind, Name HAVING Deleted = 0
