-- Version 2 of the database: what servers share besides objects. A released step never changes.

-- The kinds of entries. A transaction that inserts entries locks the row of their kind, so that servers count them one at a time.
CREATE TABLE entry_kind (kind BIGINT PRIMARY KEY);
-- Tickets, positions in groups, asynchronous operations.
INSERT INTO entry_kind VALUES (1), (2), (3);

CREATE TABLE entry (
    kind BIGINT NOT NULL,
    key BYTEA NOT NULL,
    -- The number of changes of the row.
    version BIGINT NOT NULL,
    owner BYTEA NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    -- The entry is abandoned from this time on; NULL if it needs no server.
    lease TIMESTAMPTZ,
    -- The entry does not exist from this time on; NULL if it does not expire.
    expires TIMESTAMPTZ,
    value BYTEA NOT NULL,
    checksum BYTEA NOT NULL,
    -- Both NULL before the entry ends.
    content BYTEA,
    content_checksum BYTEA,
    PRIMARY KEY (kind, key)
);
CREATE INDEX entry_by_owner ON entry (kind, owner, since);
CREATE INDEX entry_by_expiry ON entry (kind, expires) WHERE expires IS NOT NULL;
