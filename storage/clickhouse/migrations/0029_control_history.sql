-- Every accepted version.
CREATE VIEW IF NOT EXISTS control_history AS
SELECT Kind, Name, Version, Doc, Deleted, Author, CreatedAt, Token FROM control_docs
WHERE (concat(Kind, '/', Name, '@', toString(Version)), Token) IN (SELECT k, v FROM control_claims ARRAY JOIN mapKeys(Claims) AS k, mapValues(Claims) AS v)
LIMIT 1 BY Kind, Name, Version
