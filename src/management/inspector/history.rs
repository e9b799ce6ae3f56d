//! The history of an object: the lines of the audit log that name it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

/// The number of bytes at the end of the audit log that are read.
const MAX_READ: u64 = 4 << 20;
/// The maximum number of lines of a history.
const MAX_LINES: usize = 200;

/// Returns the newest lines of the audit log that name the object, newest first.
///
/// # Errors
/// Returns the error of the file.
pub(super) fn of(path: &Path, id: &str) -> io::Result<Vec<Value>> {
    let mut file = File::open(path)?;
    // A pipe or a terminal cannot be read again.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let begin = file.metadata()?.len().saturating_sub(MAX_READ);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(MAX_READ).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let named = format!("\"{id}\"");
    let lines = text.lines().rev().filter(|line| line.contains(&named));
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_object = |line: &Value| {
        let objects = line.get("object").and_then(Value::as_array);
        objects.is_some_and(|objects| objects.iter().any(|object| object == id))
    };
    Ok(lines.filter(of_object).take(MAX_LINES).collect())
}
