-- Version 1 of the database. A schema change is a new step in schema.rs, never an edit of these statements: databases of
-- this version exist.

-- The highest number that an object got. Rows are never deleted, but a number must not be assigned again even if its
-- row is missing, as in a file that was repaired by hand.
CREATE TABLE counter (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    last_id INTEGER NOT NULL
) STRICT;
INSERT INTO counter VALUES (1, 0);

-- One row per object. Columns contain the values that Locate and access decisions need, copied from the attributes.
-- Attributes and object are TTLV in the last columns, so that SQLite reads the other columns without them.
CREATE TABLE object (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    policy TEXT NOT NULL,
    object_type INTEGER NOT NULL,
    -- Where the object is kept: 1 on-line, 2 archived, 4 destroyed (the bits of a Storage Status Mask).
    storage INTEGER NOT NULL,
    -- The order of Locate's answers. The smallest number where there is no Initial Date.
    initial_date INTEGER NOT NULL,
    state INTEGER,
    activation_date INTEGER,
    process_start_date INTEGER,
    protect_stop_date INTEGER,
    deactivation_date INTEGER,
    destroy_date INTEGER,
    compromise_occurrence_date INTEGER,
    compromise_date INTEGER,
    archive_date INTEGER,
    last_change_date INTEGER,
    original_creation_date INTEGER,
    rotate_date INTEGER,
    cryptographic_algorithm INTEGER,
    cryptographic_length INTEGER,
    cryptographic_usage_mask INTEGER,
    attributes BLOB NOT NULL,
    -- NULL once it is destroyed.
    object BLOB
) STRICT;

-- The objects that a requester may see, in the order of the result: one range per policy and type, in one index for
-- objects that every requester may see and in one for objects that only their owner may see. The id ends every index
-- entry, ascending, so these indexes have the order of Locate and need no sort.
CREATE INDEX object_by_policy ON object (storage, policy, object_type, initial_date DESC);
CREATE INDEX object_by_owner ON object (storage, owner, policy, object_type, initial_date DESC);

-- The same for objects in one stored state.
CREATE INDEX object_by_policy_state ON object (storage, policy, object_type, state, initial_date DESC)
    WHERE state IS NOT NULL;
CREATE INDEX object_by_owner_state ON object (storage, owner, policy, object_type, state, initial_date DESC)
    WHERE state IS NOT NULL;

-- Dates. Most objects have few dates, so partial indexes are small.
CREATE INDEX object_by_activation_date ON object (activation_date) WHERE activation_date IS NOT NULL;
CREATE INDEX object_by_process_start_date ON object (process_start_date) WHERE process_start_date IS NOT NULL;
CREATE INDEX object_by_protect_stop_date ON object (protect_stop_date) WHERE protect_stop_date IS NOT NULL;
CREATE INDEX object_by_deactivation_date ON object (deactivation_date) WHERE deactivation_date IS NOT NULL;
CREATE INDEX object_by_destroy_date ON object (destroy_date) WHERE destroy_date IS NOT NULL;
CREATE INDEX object_by_compromise_occurrence_date ON object (compromise_occurrence_date)
    WHERE compromise_occurrence_date IS NOT NULL;
CREATE INDEX object_by_compromise_date ON object (compromise_date) WHERE compromise_date IS NOT NULL;
CREATE INDEX object_by_archive_date ON object (archive_date) WHERE archive_date IS NOT NULL;
CREATE INDEX object_by_last_change_date ON object (last_change_date) WHERE last_change_date IS NOT NULL;
CREATE INDEX object_by_original_creation_date ON object (original_creation_date)
    WHERE original_creation_date IS NOT NULL;
CREATE INDEX object_by_rotate_date ON object (rotate_date) WHERE rotate_date IS NOT NULL;

-- The indexed attribute values: names, groups, custom attributes … The primary key is the index: the rows of one value
-- are adjacent, in the order of Locate.
CREATE TABLE attribute_value (
    tag INTEGER NOT NULL,
    -- The beginning of the value as it is stored; see MAX_KEY in columns.rs.
    value BLOB NOT NULL,
    initial_date INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (tag, value, initial_date DESC, id)
) STRICT, WITHOUT ROWID;
