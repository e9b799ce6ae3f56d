//! The parameters of SQL statements.

use rusqlite::types::Value as Sql;

use super::dialect::Dialect;

/// The parameters of a statement under construction.
pub(super) struct Values {
    pub(super) list: Vec<Sql>,
    pub(super) dialect: Dialect,
}

impl Values {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { list: Vec::new(), dialect }
    }

    /// Adds a value and returns its placeholder.
    pub(super) fn add(&mut self, value: impl Into<Sql>) -> String {
        let value = value.into();
        let placeholder = self.dialect.placeholder(self.list.len() + 1, &value);
        self.list.push(value);
        placeholder
    }
}
