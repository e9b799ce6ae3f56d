//! Sets the checksums of a database whose records have none, or have checksums without a key.

use rusqlite::{Connection, params};

use crate::store::checksum::Content;
use crate::store::sealing::DataKey;

/// Sets the checksum of every record of a database of an earlier version, within the caller's transaction. Returns the
/// number of objects.
pub(super) fn set_all(database: &Connection, key: Option<&DataKey>) -> rusqlite::Result<u64> {
    let mut next = database.prepare(
        "SELECT id, object_type, owner, credential, attributes, object FROM object WHERE id > ?1 ORDER BY id LIMIT 1",
    )?;
    let mut update = database.prepare("UPDATE object SET checksum = ?2 WHERE id = ?1")?;
    let (mut last, mut count) = (i64::MIN, 0);
    loop {
        let mut rows = next.query([last])?;
        let Some(row) = rows.next()? else { break };
        last = row.get(0)?;
        let content = Content::Object {
            number: last,
            object_type: row.get(1)?,
            owner: row.get_ref(2)?.as_str()?,
            credential: row.get_ref(3)?.as_str_or_null()?,
            attributes: row.get_ref(4)?.as_blob()?,
            object: row.get_ref(5)?.as_blob_or_null()?,
        };
        update.execute(params![last, content.checksum(key).bytes()])?;
        count += 1;
    }
    let mut states = database.prepare("SELECT name, value FROM own")?;
    let states = states.query_map([], |row| {
        let (name, value): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let checksum = Content::ServerState { name: &name, value: &value }.checksum(key);
        Ok((name, checksum))
    })?;
    for state in states.collect::<rusqlite::Result<Vec<_>>>()? {
        database
            .execute("UPDATE own SET checksum = ?2 WHERE name = ?1", params![state.0, state.1.bytes()])?;
    }
    Ok(count)
}
