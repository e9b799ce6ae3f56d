//! The differences between the SQL of SQLite and that of PostgreSQL.

use rusqlite::types::Value as Sql;

/// The SQL of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite, with the function `has_value`.
    Sqlite,
    /// PostgreSQL, and databases with its protocol. Texts are byte strings there, because a text of PostgreSQL cannot contain
    /// every character.
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Dialect {
    /// Returns the placeholder of the parameter with this number, from 1.
    pub(in crate::store) fn placeholder(self, number: usize, value: &Sql) -> String {
        match self {
            Self::Sqlite => {
                // SQLite's columns and values have types of their own.
                let _ = value;
                format!("?{number}")
            }
            #[cfg(feature = "postgres")]
            Self::Postgres => {
                let kind = if matches!(value, Sql::Integer(_)) { "bigint" } else { "bytea" };
                format!("${number}::{kind}")
            }
        }
    }

    /// Returns the clause that names the index of a table, if the database needs it.
    pub(super) fn index(self, name: &str) -> String {
        match self {
            Self::Sqlite => format!(" INDEXED BY {name}"),
            #[cfg(feature = "postgres")]
            Self::Postgres => String::new(),
        }
    }

    /// Returns the join whose first table is read first. SQLite does not reorder the tables of a cross join.
    pub(super) fn ordered_join(self) -> &'static str {
        match self {
            Self::Sqlite => "CROSS JOIN",
            #[cfg(feature = "postgres")]
            Self::Postgres => "JOIN",
        }
    }

    /// Returns the condition that the stored attributes contain a value.
    pub(super) fn has_value(self, value: &str) -> String {
        match self {
            Self::Sqlite => format!("has_value(o.attributes, {value})"),
            #[cfg(feature = "postgres")]
            Self::Postgres => format!("position({value} IN o.attributes) > 0"),
        }
    }

    /// Whether [`Self::has_value`] is exact. Otherwise it also finds the bytes of the value within another value.
    pub(super) fn compares_exactly(self) -> bool {
        matches!(self, Self::Sqlite)
    }
}
