//! Dump and restore of a PostgreSQL database, one object at a time: what an export reads and an import writes.

use std::cell::{RefCell, RefMut};
use std::path::Path;
use std::time::Duration;

use tokio_postgres::Row;

use super::connection::{CALL, COMMIT, Connection, Failure, Step};
use super::rows::{self, Previous};
use super::schema;
use super::start::connect;
use crate::secret::Secret;
use crate::store::encoded::number;
use crate::store::sealing::{DataKey, KeyEncryptionKey};
use crate::store::transfer::{Source, Target};
use crate::store::{Cause, Error, Id, Record, Write};

/// The maximum time of a commit or a count of many objects.
const LONG: Duration = Duration::from_secs(600);

/// An open transaction of a connection that nothing else uses.
struct Session {
    connection: RefCell<Connection>,
    key: Option<DataKey>,
}

impl Session {
    /// Begins a transaction with the statement `begin`, after `prepare` has checked the schema.
    fn begin(
        url: &Path,
        patience: Duration,
        prepare: impl FnOnce(&mut Connection, &str) -> Result<Option<DataKey>, Error>,
        begin: &str,
    ) -> Result<Self, Error> {
        let pool = connect(url, patience)?;
        let mut connection = pool.connect()?;
        let key = prepare(&mut connection, &pool.name())?;
        // The file of the export can be slow.
        let set_up =
            format!("SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; {begin}");
        connection.batch(&set_up).map_err(|why| failed("begin a transaction", why))?;
        Ok(Self { connection: RefCell::new(connection), key })
    }

    fn connection(&self) -> RefMut<'_, Connection> {
        self.connection.borrow_mut()
    }

    fn rows(&self, doing: &'static str, step: &Step) -> Result<Vec<Row>, Error> {
        self.connection().query(CALL, step).map_err(|why| failed(doing, why))
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        let rows = self.rows("read the server state", &rows::read_server_state(name))?;
        let found = rows.first().map(|row| rows::decode_server_state(name, row, self.key.as_ref()));
        Ok(found.transpose()?.map(|(value, _)| value))
    }
}

fn failed(doing: &'static str, why: Failure) -> Error {
    Error::Sql { doing, why: Cause::new(why) }
}

/// A snapshot of all of a database.
pub(in crate::store) struct Dump(Session);

impl Dump {
    /// Opens a snapshot of the database at `url`.
    ///
    /// # Errors
    /// Returns an error if the database cannot be reached or has no tables of this server, and if `key` is not its key.
    pub(in crate::store) fn open(
        url: &Path,
        key: Option<&KeyEncryptionKey>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let existing =
            |connection: &mut Connection, name: &str| schema::existing(connection, name, schema::STEPS, key);
        Session::begin(url, patience, existing, begin).map(Self)
    }

    pub(super) fn rows(&self, doing: &'static str, step: &Step) -> Result<Vec<Row>, Error> {
        self.0.rows(doing, step)
    }

    pub(super) fn key(&self) -> Option<&DataKey> {
        self.0.key.as_ref()
    }

    /// Returns the version of the schema.
    pub(super) fn version(&self) -> Result<i32, Error> {
        let found =
            schema::version(&mut self.0.connection()).map_err(|why| failed("read the version", why))?;
        found.ok_or(Error::NotInitialized)
    }

    /// Returns the number of rows of a table.
    pub(super) fn count(&self, table: &str) -> Result<u64, Error> {
        let step = Step::new(format!("SELECT count(*) FROM {table}"), Vec::new());
        let rows = self.0.connection().query(LONG, &step).map_err(|why| failed("count rows", why))?;
        let count: i64 = rows::get(rows.first().ok_or(Error::NotInitialized)?, 0)?;
        Ok(count.unsigned_abs())
    }
}

impl Source for Dump {
    fn last_id(&self) -> Result<u64, Error> {
        let step = Step::new("SELECT last_id FROM counter", Vec::new());
        let rows = self.0.rows("read the counter", &step)?;
        let last: i64 = rows::get(rows.first().ok_or(Error::NotInitialized)?, 0)?;
        Ok(last.unsigned_abs())
    }

    fn next(&self, after: Id) -> Result<Option<Record>, Error> {
        let Ok(after) = number(after) else { return Ok(None) };
        let step =
            Step::new("SELECT id FROM object WHERE id > $1 ORDER BY id LIMIT 1", vec![Box::new(after)]);
        let next = self.0.rows("read an object", &step)?;
        let Some(next) = next.first().map(|row| rows::get::<i64>(row, 0)).transpose()? else {
            return Ok(None);
        };
        let found = self.0.rows("read an object", &rows::read(next, false))?;
        let id = Id(next.unsigned_abs());
        found.first().map(|row| rows::decode(id, row, self.0.key.as_ref())).transpose()
    }

    fn server_state_names(&self) -> Result<Vec<String>, Error> {
        let rows = self
            .0
            .rows("read the server state", &Step::new("SELECT name FROM own ORDER BY name", Vec::new()))?;
        let name = |row| {
            let bytes: Vec<u8> = rows::get(row, 0)?;
            String::from_utf8(bytes).map_err(|error| {
                let name = String::from_utf8_lossy(error.as_bytes()).into_owned();
                Error::ServerStateChecksum { name }
            })
        };
        rows.iter().map(name).collect()
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.0.server_state(name)
    }
}

/// A transaction that inserts objects with given numbers. Servers may use the database meanwhile.
pub(in crate::store) struct Restore(Session);

impl Restore {
    /// Begins a transaction on the database at `url`.
    ///
    /// # Errors
    /// Returns the errors of [`super::Postgres::open`].
    pub(in crate::store) fn open(
        url: &Path,
        key: Option<&KeyEncryptionKey>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let prepare =
            |connection: &mut Connection, name: &str| schema::prepare(connection, name, schema::STEPS, key);
        Session::begin(url, patience, prepare, "BEGIN").map(Self)
    }

    fn write(&self, doing: &'static str, steps: &[Step]) -> Result<(), Error> {
        let done = self.0.connection().pipeline(CALL, None, steps, None);
        done.map(drop).map_err(|why| failed(doing, why))
    }
}

impl Target for Restore {
    fn insert(&self, record: &Record) -> Result<(), Error> {
        let mut steps = Vec::new();
        let write = Write { before: None, after: record.clone().into() };
        rows::write(&write, self.0.key.as_ref(), &mut steps)?;
        let done = self.0.connection().pipeline(CALL, None, &steps, None);
        done.map(drop).map_err(|why| match why.is_duplicate() {
            true => Error::Taken { id: record.id },
            false => failed("insert an object", why),
        })
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.0.server_state(name)
    }

    fn set_server_state(&self, name: &str, value: &Secret) -> Result<(), Error> {
        let mut steps = Vec::new();
        rows::write_server_state(name, value, Previous::Unknown, self.0.key.as_ref(), &mut steps)?;
        self.write("write the server state", &steps)
    }

    fn count_from(&self, last: Id) -> Result<(), Error> {
        self.write("write the counter", &[rows::count(number(last)?)])
    }

    fn commit(self: Box<Self>) -> Result<(), Error> {
        let done = self.0.connection().pipeline(LONG, None, &[], Some(COMMIT));
        done.map(drop).map_err(|why| failed("commit the import", why))
    }
}
