-- Version 1 of the database. A change of it is a new step in schema.rs, never an edit of this file:
-- files of this version are out there.

-- The last number that an object got. Objects never lose their rows, but a number that was given and then
-- lost its object (a file repaired by hand) must not come again either.
CREATE TABLE counter (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    last_id INTEGER NOT NULL
) STRICT;
INSERT INTO counter VALUES (1, 0);

-- An object a row. What Locate and access decisions ask for stands in columns of its own, copied from the
-- attributes; the attributes and the object are TTLV and stand last, so that nobody reads past them.
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

-- What somebody may see, in the order in which it is answered: one run for each policy and type, once for
-- objects that anybody may see and once for those that only their owner may see. A row's id ends every
-- index, ascending, so these are Locate's order and need no sorting.
CREATE INDEX object_by_policy ON object (storage, policy, object_type, initial_date DESC);
CREATE INDEX object_by_owner ON object (storage, owner, policy, object_type, initial_date DESC);

-- The same for those in one stored state.
CREATE INDEX object_by_policy_state ON object (storage, policy, object_type, state, initial_date DESC)
    WHERE state IS NOT NULL;
CREATE INDEX object_by_owner_state ON object (storage, owner, policy, object_type, state, initial_date DESC)
    WHERE state IS NOT NULL;

-- Dates. Most objects have few of them, and an index of those that have one is small.
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

-- The values of attributes that Locate finds objects by: names, groups, custom attributes … A row is its
-- own index: those of one value lie side by side, in the order in which Locate answers.
CREATE TABLE attribute_value (
    tag INTEGER NOT NULL,
    -- The beginning of the value as it is stored; see MAX_KEY in columns.rs.
    value BLOB NOT NULL,
    initial_date INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (tag, value, initial_date DESC, id)
) STRICT, WITHOUT ROWID;
