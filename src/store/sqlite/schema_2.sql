-- Version 2 of the database: the order of Locate's answers is ascending in every index, by date and then by number,
-- so that one index serves both orders: the oldest first, and the newest first when read backwards. In version 1, dates
-- descended and numbers ascended, so that of the objects of one second the oldest came first.

DROP INDEX object_by_policy;
DROP INDEX object_by_owner;
DROP INDEX object_by_policy_state;
DROP INDEX object_by_owner_state;
CREATE INDEX object_by_policy ON object (storage, policy, object_type, initial_date);
CREATE INDEX object_by_owner ON object (storage, owner, policy, object_type, initial_date);
CREATE INDEX object_by_policy_state ON object (storage, policy, object_type, state, initial_date)
    WHERE state IS NOT NULL;
CREATE INDEX object_by_owner_state ON object (storage, owner, policy, object_type, state, initial_date)
    WHERE state IS NOT NULL;

-- The primary key of a table WITHOUT ROWID cannot change.
ALTER TABLE attribute_value RENAME TO attribute_value_1;
CREATE TABLE attribute_value (
    tag INTEGER NOT NULL,
    -- The beginning of the value as it is stored; see MAX_KEY in columns.rs.
    value BLOB NOT NULL,
    initial_date INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (tag, value, initial_date, id)
) STRICT, WITHOUT ROWID;
INSERT INTO attribute_value SELECT tag, value, initial_date, id FROM attribute_value_1;
DROP TABLE attribute_value_1;
