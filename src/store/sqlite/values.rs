//! The parameters of SQL statements.

use rusqlite::types::Value as Sql;

/// The parameters of a statement under construction.
#[derive(Default)]
pub(super) struct Values(pub(super) Vec<Sql>);

impl Values {
    /// Adds a value and returns its placeholder.
    pub(super) fn add(&mut self, value: impl Into<Sql>) -> String {
        self.0.push(value.into());
        format!("?{}", self.0.len())
    }
}
