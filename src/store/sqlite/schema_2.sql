-- Version 2 of the database: the order of Locate's answers is ascending in every index, by date and then by number,
-- so that one index serves the newest first, read backwards, and the oldest first. In version 1 the dates descended
-- and the numbers did not, and of the objects of one second the oldest came first.

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

-- A table that is its own index cannot change its order.
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
