-- Version 1 of the database. A schema change is a new step in schema.rs, never an edit of these statements: databases of
-- this version exist. Texts that clients choose are byte strings, because a text of PostgreSQL cannot contain every character.

CREATE TABLE counter (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    -- The highest number that a server has reserved for objects.
    last_id BIGINT NOT NULL
);
INSERT INTO counter VALUES (1, 0);

-- A transaction locks its row, if its queries must not run beside those of another one.
CREATE TABLE gate (only_row BIGINT PRIMARY KEY CHECK (only_row = 1));
INSERT INTO gate VALUES (1);

-- The wrapped data key of a sealed database; no row if it is not sealed.
CREATE TABLE seal (only_row BIGINT PRIMARY KEY CHECK (only_row = 1), data_key BYTEA NOT NULL);

-- The server state by name. It is not an object, so no client can read it.
CREATE TABLE own (
    name BYTEA PRIMARY KEY,
    version BIGINT NOT NULL,
    value BYTEA NOT NULL,
    checksum BYTEA NOT NULL
);

-- One row per object. Columns contain the values that Locate and access decisions need, copied from the attributes.
CREATE TABLE object (
    id BIGINT PRIMARY KEY,
    -- The number of changes of the row.
    version BIGINT NOT NULL,
    owner BYTEA NOT NULL,
    credential BYTEA,
    policy BYTEA NOT NULL,
    -- A shift by it needs this type.
    object_type INTEGER NOT NULL,
    storage BIGINT NOT NULL,
    initial_date BIGINT NOT NULL,
    state BIGINT,
    activation_date BIGINT,
    process_start_date BIGINT,
    protect_stop_date BIGINT,
    deactivation_date BIGINT,
    destroy_date BIGINT,
    compromise_occurrence_date BIGINT,
    compromise_date BIGINT,
    archive_date BIGINT,
    last_change_date BIGINT,
    original_creation_date BIGINT,
    rotate_date BIGINT,
    cryptographic_algorithm BIGINT,
    cryptographic_length BIGINT,
    cryptographic_usage_mask BIGINT,
    attributes BYTEA NOT NULL,
    -- NULL once it is destroyed.
    object BYTEA,
    checksum BYTEA NOT NULL
);

CREATE INDEX object_by_policy ON object (storage, policy, object_type, initial_date, id);
CREATE INDEX object_by_owner ON object (storage, owner, policy, object_type, initial_date, id);
CREATE INDEX object_by_policy_state ON object (storage, policy, object_type, state, initial_date, id)
    WHERE state IS NOT NULL;
CREATE INDEX object_by_owner_state ON object (storage, owner, policy, object_type, state, initial_date, id)
    WHERE state IS NOT NULL;
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

-- The indexed attribute values: names, groups, custom attributes … The rows of one value are adjacent in the primary key, in
-- the order of Locate.
CREATE TABLE attribute_value (
    tag BIGINT NOT NULL,
    -- The beginning of the value as it is stored; see MAX_KEY in columns.rs.
    value BYTEA NOT NULL,
    initial_date BIGINT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (tag, value, initial_date, id)
);
