//! The entries that servers share. Each operation is one statement, or a transaction that nothing else is a part of.
//!
//! The clock of the database decides what has expired, so that the clocks of the servers do not count.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base16ct::lower;
use tokio_postgres::Row;
use zeroize::Zeroizing;

use super::connection::{CALL, COMMIT, Connection, Failure, LONG_CALL, Parameter, Step};
use super::pool::Use;
use super::rows::{self, Object};
use super::shared::Shared;
use super::{ATTEMPTS, pause};
use crate::bounded_map::WhenFull;
use crate::secret::Secret;
use crate::store::entries::{Change, Entries, Entry, Kind, Lifetime, Replacement};
use crate::store::sealing::DataKey;
use crate::store::{Cause, Error, encoded};

/// The size of a content from which on a statement gets more time.
const LONG_CONTENT: usize = 1 << 20;

const LOCK_KIND: &str = "SELECT kind FROM entry_kind WHERE kind = $1 FOR UPDATE";

const REMOVE_EXPIRED: &str = "DELETE FROM entry WHERE kind = $1 AND expires <= clock_timestamp()";

const READ: &str = "SELECT value, checksum, version, COALESCE(lease <= clock_timestamp(), FALSE) FROM entry \
    WHERE kind = $1 AND key = $2 AND (expires IS NULL OR expires > clock_timestamp())";

const OF_OWNER: &str = "SELECT value, checksum, version, COALESCE(lease <= clock_timestamp(), FALSE), key FROM entry \
    WHERE kind = $1 AND owner = $2 AND (expires IS NULL OR expires > clock_timestamp()) ORDER BY since, key";

/// A guard, which divides by zero if the owner has too many entries.
const SHARE: &str = "SELECT 1 / (CASE WHEN (SELECT count(*) FROM entry WHERE kind = $1 AND owner = $2) \
    + $3::bigint <= $4::bigint THEN 1 ELSE 0 END)";

const CAPACITY: &str = "SELECT 1 / (CASE WHEN (SELECT count(*) FROM entry WHERE kind = $1) + $2::bigint <= $3::bigint \
    THEN 1 ELSE 0 END)";

const EVICT_OF_OWNER: &str = "DELETE FROM entry WHERE kind = $1 AND key IN \
    (SELECT key FROM entry WHERE kind = $1 AND owner = $2 ORDER BY since DESC, key OFFSET $3::bigint)";

const EVICT: &str = "DELETE FROM entry WHERE kind = $1 AND key IN \
    (SELECT key FROM entry WHERE kind = $1 ORDER BY since DESC, key OFFSET $2::bigint)";

const INSERT: &str = "INSERT INTO entry (kind, key, version, owner, since, lease, expires, value, checksum) \
    SELECT $1::bigint, key, 1, $2::bytea, clock_timestamp(), clock_timestamp() + $3::bigint * INTERVAL '1 millisecond', \
    clock_timestamp() + $4::bigint * INTERVAL '1 millisecond', value, checksum \
    FROM unnest($5::bytea[], $6::bytea[], $7::bytea[]) AS new(key, value, checksum) ON CONFLICT (kind, key) DO NOTHING";

const REMOVE: &str =
    "DELETE FROM entry WHERE kind = $1 AND key = $2 AND version = $3 RETURNING content, content_checksum";

const REPLACE_EXISTING: &str = "UPDATE entry SET version = version + 1, value = $3, checksum = $4, since = clock_timestamp() \
    WHERE kind = $1 AND key = $2";

const RENEW: &str = "UPDATE entry SET lease = clock_timestamp() + $3::bigint * INTERVAL '1 millisecond', \
    expires = clock_timestamp() + $4::bigint * INTERVAL '1 millisecond' \
    WHERE kind = $1 AND key = ANY($2::bytea[]) AND lease IS NOT NULL";

const BOUND_ENDED: &str = "DELETE FROM entry WHERE kind = $1 AND key IN (SELECT key FROM (SELECT key, \
    sum(octet_length(value) + octet_length(content)) OVER (ORDER BY since DESC, key) AS total \
    FROM entry WHERE kind = $1 AND content IS NOT NULL) AS ended WHERE total > $2::bigint)";

/// The first entry behind a key, for [`verify`].
pub(super) const NEXT: &str = "SELECT kind, key, value, checksum, content, content_checksum FROM entry \
    WHERE kind > $1 OR (kind = $1 AND key > $2) ORDER BY kind, key LIMIT 1";

/// The names of the kinds in the order of their numbers, from 1; a test compares them with entries of each kind.
const KINDS: [&str; 3] = ["ticket", "position", "operation"];

/// The entries in a database.
pub(super) struct SharedEntries(pub(super) Arc<Shared>);

/// Converts a time to milliseconds.
fn milliseconds(time: Option<Duration>) -> Option<i64> {
    time.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

fn integer(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns the name under which an entry is sealed and authenticated, so that it is valid at its place only.
fn name(kind: &str, key: &[u8]) -> String {
    format!("entry {kind} {}", lower::encode_string(key))
}

fn content_name(kind: &str, key: &[u8]) -> String {
    format!("content of {}", name(kind, key))
}

/// Verifies a row of [`NEXT`]. Returns its name, and the error of its value or its content.
pub(super) fn verify(
    kind: i64,
    key: &[u8],
    row: &Row,
    data_key: Option<&DataKey>,
) -> (String, Result<(), Error>) {
    let kind = usize::try_from(kind).ok().and_then(|number| KINDS.get(number.checked_sub(1)?));
    let kind = kind.copied().unwrap_or("of an unknown kind");
    let verified =
        [(2, name(kind, key)), (4, content_name(kind, key))].into_iter().try_for_each(|(place, name)| {
            let Some(stored) = rows::get::<Option<Vec<u8>>>(row, place)? else { return Ok(()) };
            encoded::decode_server_state(&name, Secret::new(stored), rows::get(row, place + 1)?, data_key)
                .map(drop)
        });
    (name(kind, key), verified)
}

/// Returns the stored bytes of a value, and their checksum.
fn encode(name: &str, value: &Secret, key: Option<&DataKey>) -> Result<(Object, Vec<u8>), Error> {
    let (stored, checksum) = encoded::encode_server_state(name, value, key)?;
    Ok((Object(Some(Zeroizing::new(stored.expose().to_vec()))), checksum.bytes().to_vec()))
}

impl SharedEntries {
    /// Decodes a row of [`READ`]. Returns the entry and its version.
    fn entry(&self, kind: &Kind, key: &[u8], row: &Row) -> Result<(Entry, i64), Error> {
        let stored = Secret::new(rows::get(row, 0)?);
        let checksum = rows::get(row, 1)?;
        let value =
            encoded::decode_server_state(&name(kind.name, key), stored, checksum, self.0.key.as_ref())?;
        Ok((Entry { value, is_abandoned: rows::get(row, 3)? }, rows::get(row, 2)?))
    }

    fn found(&self, kind: &Kind, key: &[u8], rows: &[Row]) -> Result<Option<(Entry, i64)>, Error> {
        rows.first().map(|row| self.entry(kind, key, row)).transpose()
    }

    /// Runs statements as one transaction, and repeats it if it conflicts with another one.
    fn transact(&self, doing: &'static str, steps: &[Step]) -> Result<Result<(), Failure>, Error> {
        for attempt in 0..ATTEMPTS {
            pause(attempt);
            let mut connection = self.0.pool.get(Use::Read)?;
            match connection.pipeline(CALL, Some("BEGIN"), steps, Some(COMMIT)) {
                Ok(_) => return Ok(Ok(())),
                Err(failure) if failure.is_conflict() => {}
                Err(failure) if failure.is_stale() => return Ok(Err(failure)),
                Err(failure) => return Err(self.failed(doing, failure)),
            }
        }
        Err(Error::Contended)
    }

    fn failed(&self, doing: &'static str, failure: Failure) -> Error {
        if failure.is_lost {
            self.0.pool.close_idle();
            return Error::Uncertain { why: Cause::new(failure) };
        }
        self.0.pool.failed(doing, failure)
    }

    /// Returns the statement that applies `change` to an entry of this version; no row is returned if it has another one.
    fn step(&self, kind: &Kind, key: &[u8], version: i64, change: &Change) -> Result<Option<Step>, Error> {
        let mut parameters: Vec<Parameter> =
            vec![Box::new(kind.number), Box::new(key.to_vec()), Box::new(version)];
        let Replacement { value, lifetime, ended } = match change {
            Change::Keep => return Ok(None),
            Change::Remove => return Ok(Some(Step::new(REMOVE, parameters))),
            Change::Replace(replacement) => replacement,
        };
        let mut text = String::from("UPDATE entry SET version = version + 1");
        let mut set = |column: &str, expression: &str, parameter: Parameter| {
            parameters.push(parameter);
            let place = expression.replace('?', &format!("${}", parameters.len()));
            // A string can be written to.
            let _ = write!(text, ", {column} = {place}");
        };
        let data_key = self.0.key.as_ref();
        let (stored, checksum) = encode(&name(kind.name, key), value, data_key)?;
        set("value", "?", Box::new(stored));
        set("checksum", "?", Box::new(checksum));
        if let Some(content) = ended {
            let (stored, checksum) = encode(&content_name(kind.name, key), content, data_key)?;
            set("content", "?", Box::new(stored));
            set("content_checksum", "?", Box::new(checksum));
        }
        if let Some(lifetime) = lifetime {
            let from_now = "clock_timestamp() + ?::bigint * INTERVAL '1 millisecond'";
            set("lease", from_now, Box::new(milliseconds(lifetime.lease)));
            set("expires", from_now, Box::new(milliseconds(lifetime.expiry)));
            text.push_str(", since = clock_timestamp()");
        }
        text.push_str(" WHERE kind = $1 AND key = $2 AND version = $3 RETURNING NULL::bytea, NULL::bytea");
        Ok(Some(Step::new(text, parameters)))
    }

    /// Returns the content of an entry that was removed.
    fn content(&self, kind: &Kind, key: &[u8], row: &Row) -> Result<Option<Secret>, Error> {
        let Some(stored) = rows::get::<Option<Vec<u8>>>(row, 0)? else { return Ok(None) };
        let (stored, checksum) = (Secret::new(stored), rows::get(row, 1)?);
        encoded::decode_server_state(&content_name(kind.name, key), stored, checksum, self.0.key.as_ref())
            .map(Some)
    }

    /// Reads an entry without a lock and applies `change`. Returns `None` if another transaction has changed it meanwhile.
    fn try_change(
        &self,
        kind: &Kind,
        key: &[u8],
        change: &mut dyn FnMut(&Entry) -> Change,
    ) -> Result<Option<Option<Secret>>, Error> {
        let rows =
            self.0.reading("read an entry", |connection| connection.query(CALL, &read(kind, key, false)))?;
        let Some((entry, version)) = self.found(kind, key, &rows)? else { return Ok(Some(None)) };
        let change = change(&entry);
        let Some(step) = self.step(kind, key, version, &change)? else { return Ok(Some(None)) };
        let mut connection = self.0.pool.get(Use::Read)?;
        let rows = connection.query(limit(&change), &step);
        let rows = rows.map_err(|failure| self.failed("change an entry", failure))?;
        rows.first().map(|row| self.content(kind, key, row)).transpose()
    }

    /// Locks an entry and applies `change`. Returns `None` after a conflict with another transaction.
    fn change_locked(
        &self,
        kind: &Kind,
        key: &[u8],
        change: &mut dyn FnMut(&Entry) -> Change,
    ) -> Result<Option<Option<Secret>>, Error> {
        // The pool closes a connection whose transaction has not ended.
        let mut connection = self.0.pool.get(Use::Read)?;
        let rows = connection.pipeline(CALL, Some("BEGIN"), &[read(kind, key, true)], None);
        let rows = match rows {
            Err(failure) if failure.is_conflict() => return Ok(None),
            other => other.map_err(|failure| self.0.pool.failed("lock an entry", failure))?.concat_rows(),
        };
        let found = self.found(kind, key, &rows)?;
        let (change, version) = match &found {
            Some((entry, version)) => (change(entry), *version),
            None => (Change::Keep, 0),
        };
        let step = self.step(kind, key, version, &change)?;
        let done = match &step {
            Some(step) => connection.pipeline(limit(&change), None, std::slice::from_ref(step), Some(COMMIT)),
            None => connection.pipeline(CALL, None, &[], Some(COMMIT)),
        };
        match done {
            Ok(results) => {
                let rows = results.concat_rows();
                rows.first().map_or(Ok(None), |row| self.content(kind, key, row)).map(Some)
            }
            Err(failure) if failure.is_conflict() => Ok(None),
            Err(failure) => Err(self.failed("change an entry", failure)),
        }
    }
}

/// The rows of a pipeline in one list.
trait ConcatRows {
    fn concat_rows(self) -> Vec<Row>;
}

impl ConcatRows for Vec<Vec<Row>> {
    fn concat_rows(self) -> Vec<Row> {
        self.into_iter().flatten().collect()
    }
}

fn read(kind: &Kind, key: &[u8], lock: bool) -> Step {
    let lock = if lock { " FOR UPDATE" } else { "" };
    Step::new(format!("{READ}{lock}"), vec![Box::new(kind.number), Box::new(key.to_vec())])
}

/// Returns the time for a change.
fn limit(change: &Change) -> Duration {
    match change {
        Change::Replace(Replacement { ended: Some(content), .. }) if content.len() > LONG_CONTENT => {
            LONG_CALL
        }
        Change::Remove => LONG_CALL,
        _ => CALL,
    }
}

impl Entries for SharedEntries {
    fn is_shared(&self) -> bool {
        true
    }

    fn read(&self, kind: &Kind, key: &[u8], _: Instant) -> Result<Option<Entry>, Error> {
        let step = read(kind, key, false);
        let rows = self.0.reading("read an entry", |connection| connection.query(CALL, &step))?;
        Ok(self.found(kind, key, &rows)?.map(|(entry, _)| entry))
    }

    fn of_owner(&self, kind: &Kind, owner: &str, _: Instant) -> Result<Vec<(Vec<u8>, Entry)>, Error> {
        let step = Step::new(OF_OWNER, vec![Box::new(kind.number), Box::new(owner.as_bytes().to_vec())]);
        let rows =
            self.0.reading("list entries", |connection: &mut Connection| connection.query(CALL, &step))?;
        let decoded = |row: &Row| {
            let key: Vec<u8> = rows::get(row, 4)?;
            let (entry, _) = self.entry(kind, &key, row)?;
            Ok((key, entry))
        };
        rows.iter().map(decoded).collect()
    }

    fn insert(
        &self,
        kind: &Kind,
        owner: &str,
        entries: Vec<(Vec<u8>, Secret)>,
        lifetime: Lifetime,
        _: Instant,
    ) -> Result<bool, Error> {
        let count = entries.len();
        let (mut keys, mut values, mut checksums) = (Vec::new(), Vec::new(), Vec::new());
        for (key, value) in entries {
            let (value, checksum) =
                encoded::encode_server_state(&name(kind.name, &key), &value, self.0.key.as_ref())?;
            values.push(value.expose().to_vec());
            checksums.push(checksum.bytes().to_vec());
            keys.push(key);
        }
        let owner = || Box::new(owner.as_bytes().to_vec()) as Parameter;
        let number = || Box::new(kind.number) as Parameter;
        let bounds = kind.bounds;
        let rest = |most: usize| Box::new(integer(most.saturating_sub(count))) as Parameter;
        let [added, share, capacity] =
            [count, bounds.share, bounds.capacity].map(|count| Box::new(integer(count)) as Parameter);
        let added_to_all = Box::new(integer(count)) as Parameter;
        let steps = [
            Step::new(LOCK_KIND, vec![number()]),
            Step::new(REMOVE_EXPIRED, vec![number()]),
            match bounds.when_share_used {
                WhenFull::Refuse => Step::new(SHARE, vec![number(), owner(), added, share]),
                WhenFull::EvictOldest => {
                    Step::new(EVICT_OF_OWNER, vec![number(), owner(), rest(bounds.share)])
                }
            },
            match bounds.when_full {
                WhenFull::Refuse => Step::new(CAPACITY, vec![number(), added_to_all, capacity]),
                WhenFull::EvictOldest => Step::new(EVICT, vec![number(), rest(bounds.capacity)]),
            },
            Step::new(
                INSERT,
                vec![
                    number(),
                    owner(),
                    Box::new(milliseconds(lifetime.lease)),
                    Box::new(milliseconds(lifetime.expiry)),
                    Box::new(keys),
                    Box::new(values),
                    Box::new(checksums),
                ],
            ),
        ];
        Ok(self.transact("insert entries", &steps)?.is_ok())
    }

    fn change(
        &self,
        kind: &Kind,
        key: &[u8],
        _: Instant,
        change: &mut dyn FnMut(&Entry) -> Change,
    ) -> Result<Option<Secret>, Error> {
        if let Some(done) = self.try_change(kind, key, change)? {
            return Ok(done);
        }
        for attempt in 0..ATTEMPTS {
            pause(attempt);
            if let Some(done) = self.change_locked(kind, key, change)? {
                return Ok(done);
            }
        }
        Err(Error::Contended)
    }

    fn replace_existing(
        &self,
        kind: &Kind,
        entries: Vec<(Vec<u8>, Secret)>,
        _: Instant,
    ) -> Result<(), Error> {
        let mut steps = Vec::new();
        for (key, value) in entries {
            let (stored, checksum) = encode(&name(kind.name, &key), &value, self.0.key.as_ref())?;
            let parameters: Vec<Parameter> =
                vec![Box::new(kind.number), Box::new(key), Box::new(stored), Box::new(checksum)];
            steps.push(Step::new(REPLACE_EXISTING, parameters));
        }
        let write = |connection: &mut Connection| connection.pipeline(CALL, None, &steps, None);
        self.0.reading("change entries", write).map(drop)
    }

    fn renew(&self, kind: &Kind, keys: &[Vec<u8>], lifetime: Lifetime, _: Instant) -> Result<(), Error> {
        let parameters: Vec<Parameter> = vec![
            Box::new(kind.number),
            Box::new(keys.to_vec()),
            Box::new(milliseconds(lifetime.lease)),
            Box::new(milliseconds(lifetime.expiry)),
        ];
        let step = Step::new(RENEW, parameters);
        self.0.reading("renew entries", |connection| connection.query(CALL, &step)).map(drop)
    }

    fn bound_ended(&self, kind: &Kind, bytes: u64) -> Result<(), Error> {
        let most = i64::try_from(bytes).unwrap_or(i64::MAX);
        let steps = [
            Step::new(LOCK_KIND, vec![Box::new(kind.number)]),
            Step::new(BOUND_ENDED, vec![Box::new(kind.number), Box::new(most)]),
        ];
        self.transact("bound entries", &steps)?.map_err(|failure| self.failed("bound entries", failure))
    }
}
