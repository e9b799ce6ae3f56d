//! The audit log of a server: connects the dispatcher's audit with the log that the settings name.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::dispatch::audit::{Sink, lost};
use crate::logging::{self, AuditLog, Rotation, default_audit_path};

impl Sink for AuditLog {
    fn write(&self, lines: &mut String) -> io::Result<()> {
        AuditLog::write(self, lines)
    }

    fn is_required(&self) -> bool {
        AuditLog::is_required(self)
    }

    fn flush(&self) {
        AuditLog::flush(self);
    }

    fn reopen(&self) {
        AuditLog::reopen(self);
    }
}

/// Returns the path of the audit log, or `None` if the lines go to the `log` facade.
pub(super) fn path(config: &Config) -> Option<PathBuf> {
    let default = || config.audit_required.then(|| default_audit_path(&config.log_path));
    config.audit_log_path.clone().or_else(default)
}

/// Opens the audit log, if the lines do not go to the `log` facade.
///
/// # Errors
/// Returns an error if the log cannot be written.
pub(super) fn open(config: &Config) -> Result<Option<Arc<dyn Sink>>, logging::Error> {
    let Some(path) = path(config) else { return Ok(None) };
    let rotation = Rotation { max_size: config.audit_max_size, backups: config.audit_backups };
    let log = AuditLog::open(&path, rotation, config.audit_required, lost)?;
    Ok(Some(Arc::new(log)))
}
