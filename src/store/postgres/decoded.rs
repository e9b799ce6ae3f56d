//! Decoded objects. Each read gets the row of its object from the database. If the row has the bytes of one that was decoded
//! before, the read returns the record of that one, because verifying, opening and decoding take much of the time of a read.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::store::cache::{CacheToken, Shards};
use crate::store::encoded::StoredRow;
use crate::store::sealing::DataKey;
use crate::store::{Error, Id, Record};

/// The records of recently read rows. A commit of this server removes the records of the objects that it changes.
#[derive(Default)]
pub(super) struct Decoded(Shards<Id, Arc<Known>>);

/// A record and the row that contains it.
struct Known {
    object_type: i64,
    blobs: [Option<Zeroizing<Vec<u8>>>; BLOBS],
    record: Arc<Record>,
}

const BLOBS: usize = 5;

fn blobs<'r>(row: &StoredRow<'r>) -> [Option<&'r [u8]>; BLOBS] {
    let credential = row.credential.map(str::as_bytes);
    [Some(row.owner.as_bytes()), credential, Some(row.attributes), row.object, row.checksum]
}

impl Known {
    fn new(row: &StoredRow<'_>, record: Arc<Record>) -> Self {
        let blobs = blobs(row).map(|blob| blob.map(|bytes| Zeroizing::new(bytes.to_vec())));
        Self { object_type: row.object_type, blobs, record }
    }

    /// Whether the row of the record has the same bytes as this one.
    fn is(&self, row: &StoredRow<'_>) -> bool {
        let equals = |(known, found): (&Option<Zeroizing<Vec<u8>>>, Option<&[u8]>)| {
            known.as_ref().map(|bytes| bytes.as_slice()) == found
        };
        self.object_type == row.object_type && self.blobs.iter().zip(blobs(row)).all(equals)
    }
}

/// A read that has begun, with what was known before it.
pub(super) struct Reading<'d> {
    decoded: &'d Decoded,
    id: Id,
    known: Result<Arc<Known>, CacheToken>,
}

impl Reading<'_> {
    /// Returns the record of the row that the database has returned.
    ///
    /// # Errors
    /// Returns the errors of [`StoredRow::decode`].
    pub(super) fn record(self, row: &StoredRow<'_>, key: Option<&DataKey>) -> Result<Arc<Record>, Error> {
        let Self { decoded: Decoded(cache), id, known } = self;
        let token = match known {
            Ok(known) if known.is(row) => return Ok(Arc::clone(&known.record)),
            Ok(_) => {
                cache.remove(&id);
                None
            }
            Err(token) => Some(token),
        };
        let record = Arc::new(row.decode(id, key)?);
        if let Some(token) = token {
            cache.insert(id, || Arc::new(Known::new(row, Arc::clone(&record))), row.size(), &token);
        }
        Ok(record)
    }
}

/// A commit that changes objects. Until it is dropped, their records are not kept.
pub(super) struct Changing<'d> {
    decoded: &'d Decoded,
    ids: Vec<Id>,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.ids.iter().for_each(|id| self.decoded.0.end_commit(id, None, 0));
    }
}

impl Decoded {
    /// Begins to read an object, before the database does.
    pub(super) fn begin(&self, id: Id) -> Reading<'_> {
        Reading { decoded: self, id, known: self.0.get(&id) }
    }

    /// Forgets these objects before a commit that changes or destroys them.
    pub(super) fn begin_commit(&self, ids: impl Iterator<Item = Id>) -> Changing<'_> {
        let ids: Vec<_> = ids.collect();
        ids.iter().for_each(|id| self.0.begin_commit(id));
        Changing { decoded: self, ids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::encoded::Encoded;
    use crate::store::testing::key;

    const ID: Id = Id(7);

    /// Passes the row of `record` to `work`.
    fn with_row<T>(record: &Record, work: impl FnOnce(StoredRow<'_>) -> T) -> T {
        let stored = Encoded::of(record, None).unwrap();
        work(StoredRow {
            owner: &record.owner.user,
            credential: record.owner.credential.as_deref(),
            object_type: record.object_type.to_wire().into(),
            attributes: &stored.attributes,
            object: stored.object.as_ref().map(|bytes| bytes.as_slice()),
            checksum: Some(stored.checksum.bytes()),
        })
    }

    /// Reads the row of `record`.
    fn read(decoded: &Decoded, record: &Record) -> Arc<Record> {
        let reading = decoded.begin(ID);
        with_row(record, |row| reading.record(&row, None)).unwrap()
    }

    fn record(name: &str) -> Record {
        Record { id: ID, ..key(name) }
    }

    #[test]
    fn rows_with_the_same_bytes_are_decoded_once() {
        let (decoded, record) = (Decoded::default(), record("one"));
        let first = read(&decoded, &record);
        assert_eq!(*first, record);
        assert!(Arc::ptr_eq(&first, &read(&decoded, &record)));
    }

    #[test]
    fn a_row_that_another_server_has_changed_is_decoded_again() {
        let decoded = Decoded::default();
        for name in ["one", "two", "two", "two", "one"] {
            assert_eq!(*read(&decoded, &record(name)), record(name));
        }
    }

    #[test]
    fn a_difference_in_any_column_is_found_although_the_record_is_known() {
        let (decoded, record) = (Decoded::default(), record("one"));
        let changes: [fn(&mut StoredRow<'_>); 6] = [
            |row| row.owner = "another",
            |row| row.credential = Some("another"),
            |row| row.object_type += 1,
            |row| row.attributes = &[],
            |row| row.object = None,
            |row| row.checksum = None,
        ];
        for (position, change) in changes.into_iter().enumerate() {
            read(&decoded, &record);
            let reading = decoded.begin(ID);
            assert!(reading.known.is_ok());
            let changed = with_row(&record, |mut row| {
                change(&mut row);
                reading.record(&row, None)
            });
            assert!(changed.is_err(), "column {position}");
        }
    }

    #[test]
    fn a_commit_forgets_what_it_changes_and_what_was_read_before_its_end() {
        let (decoded, record) = (Decoded::default(), record("one"));
        let is_known = || decoded.begin(ID).known.is_ok();
        let late = decoded.begin(ID);
        read(&decoded, &record);
        assert!(is_known());
        let changing = decoded.begin_commit([ID].into_iter());
        assert!(!is_known());
        read(&decoded, &record);
        assert!(!is_known());
        drop(changing);
        with_row(&record, |row| late.record(&row, None)).unwrap();
        assert!(!is_known());
        read(&decoded, &record);
        assert!(is_known());
    }
}
