//! Failed calls of the database, and what they mean for the connection and the transaction.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

/// The cause of tokio-postgres' error if a database requires a password.
const NO_PASSWORD: &str = "password missing";

/// A failed call.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The code of an error of the database.
    pub(super) code: Option<SqlState>,
    /// Whether the connection is lost.
    pub(super) is_lost: bool,
    /// Whether the time limit of the call has passed.
    pub(super) has_timed_out: bool,
    /// Whether a later attempt to connect fails for the same reason.
    pub(super) is_final: bool,
    pub(super) text: String,
}

/// The errors of a session that has not prepared the statements of its client, or has prepared those of another one.
const OF_ANOTHER_SESSION: [SqlState; 2] =
    [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT];

const NEEDS_SESSIONS: &str = "; a pooler between server and database must keep one session per connection (PgBouncer: pool_mode = session)";

impl Failure {
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        let code = error.code().cloned();
        // Without the detail of the error, which can contain values of the row.
        let (text, is_final) = match error.as_db_error() {
            Some(db) => {
                let wrong = [
                    SqlState::INVALID_PASSWORD,
                    SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                    SqlState::INVALID_CATALOG_NAME,
                ];
                let text = format!("{} ({})", db.message(), db.code().code());
                let is_of_another_session = OF_ANOTHER_SESSION.contains(db.code());
                let hint = if is_of_another_session { NEEDS_SESSIONS } else { "" };
                (text + hint, wrong.contains(db.code()))
            }
            None => described(error),
        };
        Self { is_lost: code.is_none(), code, has_timed_out: false, is_final, text }
    }

    /// A failure that the database does not report.
    pub(super) fn local(text: impl Into<String>, is_lost: bool) -> Self {
        Self { code: None, is_lost, has_timed_out: false, is_final: false, text: text.into() }
    }

    pub(super) fn timed_out(limit: Duration) -> Self {
        let text = format!("the database did not answer within {} ms", limit.as_millis());
        Self { has_timed_out: true, ..Self::local(text, true) }
    }

    /// The database waits no longer for the standby that was to confirm a commit, which is durable on the primary only.
    pub(super) fn unconfirmed() -> Self {
        Self::local("the database stopped waiting for its synchronous standby", true)
    }

    /// Whether the transaction conflicted with another one, or with a change of the connection, so that its repetition can
    /// succeed.
    pub(super) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        self.code.as_ref().is_some_and(|code| conflicts.contains(code)) || self.is_unprepared()
    }

    /// Whether the session of the database is not the one that prepared the statements, as behind a pooler of connections or
    /// after `DISCARD ALL`, or whether another server changed their tables.
    fn is_unprepared(&self) -> bool {
        // "cached plan must not change result type".
        let has_changed = |code: &SqlState| *code == SqlState::FEATURE_NOT_SUPPORTED;
        self.code.as_ref().is_some_and(|code| OF_ANOTHER_SESSION.contains(code) || has_changed(code))
    }

    /// Whether the guard of a commit found another version.
    pub(super) fn is_stale(&self) -> bool {
        self.code == Some(SqlState::DIVISION_BY_ZERO)
    }

    /// Whether a row with the same key exists.
    pub(super) fn is_duplicate(&self) -> bool {
        self.code == Some(SqlState::UNIQUE_VIOLATION)
    }

    /// Whether the connection cannot be used any more: the database does not accept writes, it ends, or its session has changed.
    pub(super) fn is_failover(&self) -> bool {
        let codes = [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
        ];
        self.is_lost || self.is_unprepared() || self.code.as_ref().is_some_and(|code| codes.contains(code))
    }
}

/// Returns the text of an error that is not one of the database, with its cause, and whether it is final.
fn described(error: &tokio_postgres::Error) -> (String, bool) {
    let Some(cause) = error.source() else { return (error.to_string(), false) };
    let text = cause.to_string();
    if text == NO_PASSWORD {
        let text = "it requires a password, and neither PGPASSWORD nor a password file contains one";
        return (text.to_owned(), true);
    }
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    (format!("{error}: {text}"), matches!(tls, Some(rustls::Error::InvalidCertificate(_))))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
