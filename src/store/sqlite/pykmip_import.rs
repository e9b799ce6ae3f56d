//! The import of a database of PyKMIP's server: its objects are added to the same file with their numbers; its tables
//! stay, and change only when an object is destroyed or replaced: its bytes are erased there too.
//!
//! The import is one transaction. All objects are read and completed once before the first is written, so that a
//! database that cannot be imported stays unchanged. Objects are read one at a time: memory use does not grow with the
//! file. This module reads PyKMIP's columns; the caller adds the attributes that follow from an object.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::types::FromSql;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Rows, Statement, TransactionBehavior};

use super::schema::{self, Step};
use super::{file, rows};
use crate::kmip::enums::*;
use crate::kmip::structures::{
    ApplicationSpecificInformation, CryptographicParameters, Name, UniqueIdentifier,
};
use crate::kmip::{
    Certificate, Error as Refusal, Key, KeyBlock, KeyInformation, KeyMaterial, KeyValue, KeyWrappingData,
    Object, OpaqueObject, SecretData, SplitKey,
};
use crate::secret::Secret;
use crate::store::{Error, Id, LOG, Obstacle, Record};
use crate::ttlv::{BigInteger, DateTime};

/// The number of objects between two log messages about the progress.
const PROGRESS: u64 = 100_000;

/// An object in PyKMIP's database.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its number.
    pub id: Id,
    /// The user that created it, or `None` if PyKMIP recorded none.
    pub owner: Option<String>,
    /// The object.
    pub object: Object,
    /// Its Initial Date.
    pub initial_date: DateTime,
    /// The name of its operation policy.
    pub operation_policy_name: Option<String>,
    /// Its Names, in order.
    pub names: Vec<Name>,
    /// Its object groups, in their order.
    pub object_groups: Vec<String>,
    /// Its Application Specific Information, in order.
    pub application_specific_information: Vec<ApplicationSpecificInformation>,
    /// Its Cryptographic Usage Mask, or `None` for a type without one.
    pub cryptographic_usage_mask: Option<CryptographicUsageMask>,
    /// Its State, or `None` for a type without one.
    pub state: Option<State>,
    /// Whether it is sensitive.
    pub sensitive: bool,
}

/// A function that turns an object of PyKMIP into a record.
pub type Complete<'a> = &'a dyn Fn(Found) -> Result<Record, Refusal>;

/// Imports the database at `path`, which was recognized as PyKMIP's.
///
/// # Errors
/// Returns [`Error::TakeOver`] if the database or an object is not valid, and an error if SQLite fails.
pub(super) fn import(path: &Path, steps: &[Step], complete: Complete<'_>) -> Result<(), Error> {
    let stopped = |(object, why)| Error::TakeOver { path: path.to_owned(), object, why };
    let failed = |why: rusqlite::Error| match why.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => stopped((None, unreadable(why))),
        _ => Error::sqlite("import the database of PyKMIP's server", why),
    };
    let mut database = file::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "").map_err(failed)?;
    file::set_up_writer(&database).map_err(failed)?;
    // The names of a large store are sorted on disk, not in memory. They contain no keys.
    database.pragma_update(None, "temp_store", "FILE").map_err(failed)?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if schema::stamps(&transaction).map_err(failed)?.0 == schema::APPLICATION {
        // Another process has imported it.
        return Ok(());
    }
    let (source, count) = examine(&transaction, complete).map_err(stopped)?;
    log::info!(target: LOG, "Taking over {count} objects of PyKMIP's server from {}.", path.display());

    schema::advance(&transaction, steps, 0).map_err(failed)?;
    let mut done: u64 = 0;
    let outcome = source.for_each(&transaction, |found| {
        let record = complete(found).map_err(Obstacle::Refused)?;
        rows::insert(&transaction, &record, None).map_err(|why| Obstacle::NotStored(Box::new(why)))?;
        done += 1;
        if done.is_multiple_of(PROGRESS) {
            log::info!(target: LOG, "{done} of {count} objects are taken over.");
        }
        Ok(())
    });
    outcome.map_err(stopped)?;
    source.carry_counter(&transaction).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    log::info!(target: LOG, "All {count} objects are taken over.");
    Ok(())
}

/// Checks without a change whether the database at `path`, which was recognized as PyKMIP's, can be imported. Returns
/// the number of its objects.
///
/// # Errors
/// Returns [`Error::TakeOver`] if it cannot be imported.
pub(super) fn check(path: &Path, complete: Complete<'_>) -> Result<u64, Error> {
    let stopped = |(object, why)| Error::TakeOver { path: path.to_owned(), object, why };
    let database = file::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, "");
    let database = database.map_err(|why| stopped((None, unreadable(why))))?;
    examine(&database, complete).map(|(_, count)| count).map_err(stopped)
}

/// Reads and completes every object. Returns the statements and the number of objects.
pub(super) fn examine(
    database: &Connection,
    complete: Complete<'_>,
) -> Result<(Source, u64), (Option<Id>, Obstacle)> {
    check_integrity(database).map_err(|why| (None, why))?;
    let source = Source::of(database).map_err(|why| (None, why))?;
    let check = |found| complete(found).map(drop).map_err(Obstacle::Refused);
    let count = source.for_each(database, check)?;
    Ok((source, count))
}

/// Makes SQLite read every page, so that a truncated or overwritten file is not imported in part.
fn check_integrity(database: &Connection) -> Result<(), Obstacle> {
    let found: String = database
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|why| Obstacle::Damaged(why.to_string()))?;
    if found == "ok" { Ok(()) } else { Err(Obstacle::Damaged(found)) }
}

/// A table of PyKMIP with one row per object.
struct Table {
    name: &'static str,
    /// Its alias in the statement.
    alias: &'static str,
    /// The columns that every version of PyKMIP creates.
    needed: &'static [&'static str],
    /// The columns that only some versions create.
    optional: &'static [&'static str],
    /// Whether early versions lack the table.
    late: bool,
}

const TABLES: &[Table] = &[
    Table {
        name: "managed_objects",
        alias: "m",
        needed: &["uid", "object_type", "value"],
        optional: &["operation_policy_name", "sensitive", "initial_date", "owner"],
        late: false,
    },
    Table {
        name: "crypto_objects",
        alias: "c",
        needed: &["uid", "cryptographic_usage_mask", "state"],
        optional: &[],
        late: false,
    },
    Table {
        name: "keys",
        alias: "k",
        needed: &["uid", "cryptographic_algorithm", "cryptographic_length", "key_format_type"],
        optional: &[
            "_kdw_wrapping_method",
            "_kdw_mac_signature",
            "_kdw_iv_counter_nonce",
            "_kdw_encoding_option",
            "_kdw_eki_unique_identifier",
            "_kdw_eki_cp_block_cipher_mode",
            "_kdw_eki_cp_padding_method",
            "_kdw_eki_cp_hashing_algorithm",
            "_kdw_eki_cp_key_role_type",
            "_kdw_eki_cp_digital_signature_algorithm",
            "_kdw_eki_cp_cryptographic_algorithm",
            "_kdw_eki_cp_random_iv",
            "_kdw_eki_cp_iv_length",
            "_kdw_eki_cp_tag_length",
            "_kdw_eki_cp_fixed_field_length",
            "_kdw_eki_cp_invocation_field_length",
            "_kdw_eki_cp_counter_length",
            "_kdw_eki_cp_initial_counter_value",
            "_kdw_mski_unique_identifier",
            "_kdw_mski_cp_block_cipher_mode",
            "_kdw_mski_cp_padding_method",
            "_kdw_mski_cp_hashing_algorithm",
            "_kdw_mski_cp_key_role_type",
            "_kdw_mski_cp_digital_signature_algorithm",
            "_kdw_mski_cp_cryptographic_algorithm",
            "_kdw_mski_cp_random_iv",
            "_kdw_mski_cp_iv_length",
            "_kdw_mski_cp_tag_length",
            "_kdw_mski_cp_fixed_field_length",
            "_kdw_mski_cp_invocation_field_length",
            "_kdw_mski_cp_counter_length",
            "_kdw_mski_cp_initial_counter_value",
        ],
        late: false,
    },
    Table {
        name: "split_keys",
        alias: "s",
        needed: &[
            "uid",
            "_split_key_parts",
            "_key_part_identifier",
            "_split_key_threshold",
            "_split_key_method",
        ],
        optional: &["_prime_field_size"],
        late: true,
    },
    Table {
        name: "certificates",
        alias: "x",
        needed: &["uid", "certificate_type"],
        optional: &[],
        late: false,
    },
    Table {
        name: "secret_data_objects",
        alias: "d",
        needed: &["uid", "data_type"],
        optional: &[],
        late: false,
    },
    Table { name: "opaque_objects", alias: "o", needed: &["uid", "opaque_type"], optional: &[], late: false },
];

/// The statements that read a database, according to its version of PyKMIP. All return their rows in the order of
/// object numbers, so that one pass reads them side by side.
pub(super) struct Source {
    objects: String,
    names: Option<&'static str>,
    groups: Option<&'static str>,
    information: Option<&'static str>,
    counted: bool,
}

const NAMES: &str = "SELECT mo_uid, name, name_type FROM managed_object_names ORDER BY mo_uid, id";
const GROUPS: &str = "SELECT l.managed_object_id, g.object_group FROM object_group_map AS l JOIN object_groups AS g \
                      ON g.id = l.object_group_id ORDER BY l.managed_object_id, g.id";
const INFORMATION: &str = "SELECT l.managed_object_id, i.application_namespace, i.application_data \
                           FROM app_specific_info_map AS l JOIN app_specific_info AS i \
                           ON i.id = l.app_specific_info_id ORDER BY l.managed_object_id, i.id";

impl Source {
    /// Returns the statements for the tables and columns of `database`.
    fn of(database: &Connection) -> Result<Self, Obstacle> {
        let mut columns = Vec::new();
        let mut joins = String::new();
        for table in TABLES {
            let existing = columns_of(database, table.name)?;
            let is_absent = existing.is_empty() && table.late;
            if let Some(column) =
                table.needed.iter().find(|column| !is_absent && !existing.contains(**column))
            {
                return Err(Obstacle::NoColumn { table: table.name, column });
            }
            let all = table.needed.iter().chain(table.optional).filter(|column| **column != "uid");
            columns.extend(all.map(|column| match existing.contains(*column) {
                true => format!("{}.{column} AS {column}", table.alias),
                false => format!("NULL AS {column}"),
            }));
            if table.alias != "m" && !is_absent {
                let (name, alias) = (table.name, table.alias);
                joins.push_str(&format!(" LEFT JOIN {name} AS {alias} ON {alias}.uid = m.uid"));
            }
        }
        let has = |table| columns_of(database, table).map(|columns| !columns.is_empty());
        Ok(Self {
            objects: format!(
                "SELECT m.uid AS uid, {} FROM managed_objects AS m{joins} ORDER BY m.uid",
                columns.join(", ")
            ),
            names: has("managed_object_names")?.then_some(NAMES),
            groups: has("object_group_map")?.then_some(GROUPS),
            information: has("app_specific_info_map")?.then_some(INFORMATION),
            counted: has("sqlite_sequence")?,
        })
    }

    /// Calls `job` with every object, in the order of numbers. Returns the number of objects, or the reason why the
    /// database cannot be imported, with the object.
    pub(super) fn for_each(
        &self,
        database: &Connection,
        mut job: impl FnMut(Found) -> Result<(), Obstacle>,
    ) -> Result<u64, (Option<Id>, Obstacle)> {
        let damaged = |why| (None, unreadable(why));
        let prepare = |sql: Option<&str>| sql.map(|sql| database.prepare(sql)).transpose().map_err(damaged);
        let (mut names, mut groups) = (prepare(self.names)?, prepare(self.groups)?);
        let mut information = prepare(self.information)?;
        let mut names = Joined::of(names.as_mut(), name).map_err(|why| (None, why))?;
        let mut groups =
            Joined::of(groups.as_mut(), |row| column(row, "object_group")).map_err(|why| (None, why))?;
        let mut information =
            Joined::of(information.as_mut(), application_information).map_err(|why| (None, why))?;

        let mut count = 0;
        let mut objects = database.prepare(&self.objects).map_err(damaged)?;
        let mut rows = objects.query([]).map_err(damaged)?;
        while let Some(row) = rows.next().map_err(damaged)? {
            let number: i64 = row.get("uid").map_err(damaged)?;
            let id =
                Id(u64::try_from(number)
                    .map_err(|_| (None, Obstacle::Value { column: "uid".to_owned() }))?);
            let mut process = || {
                job(Found {
                    names: names.of_object(number)?,
                    object_groups: groups.of_object(number)?,
                    application_specific_information: information.of_object(number)?,
                    ..found(id, row)?
                })
            };
            process().map_err(|why| (Some(id), why))?;
            count += 1;
        }
        Ok(count)
    }

    /// Continues the numbers of PyKMIP: those of objects that it destroyed are not assigned again.
    fn carry_counter(&self, database: &Connection) -> rusqlite::Result<()> {
        let last = self.last_number(database)?;
        database.execute("UPDATE counter SET last_id = max(last_id, ?1)", [last])?;
        Ok(())
    }

    /// Returns the highest number that PyKMIP assigned, or 0 if it is unknown.
    pub(super) fn last_number(&self, database: &Connection) -> rusqlite::Result<i64> {
        if !self.counted {
            return Ok(0);
        }
        let last = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'managed_objects'";
        database.query_row(last, [], |row| row.get(0))
    }
}

/// The rows of a table that belong to objects, read in one pass with them.
struct Joined<'s, T> {
    rows: Option<Rows<'s>>,
    read: fn(&Row<'_>) -> Result<T, Obstacle>,
    next: Option<(i64, T)>,
}

impl<'s, T> Joined<'s, T> {
    fn of(
        statement: Option<&'s mut Statement<'_>>,
        read: fn(&Row<'_>) -> Result<T, Obstacle>,
    ) -> Result<Self, Obstacle> {
        let rows = statement.map(|statement| statement.query([])).transpose().map_err(unreadable)?;
        let mut joined = Self { rows, read, next: None };
        joined.advance()?;
        Ok(joined)
    }

    /// Returns the values of the object with this number. Rows of lower numbers that belong to no object are skipped.
    fn of_object(&mut self, number: i64) -> Result<Vec<T>, Obstacle> {
        let mut values = Vec::new();
        while let Some((of, value)) = self.next.take_if(|(of, _)| *of <= number) {
            if of == number {
                values.push(value);
            }
            self.advance()?;
        }
        Ok(values)
    }

    fn advance(&mut self) -> Result<(), Obstacle> {
        let Some(rows) = &mut self.rows else { return Ok(()) };
        self.next = None;
        if let Some(row) = rows.next().map_err(unreadable)? {
            // A row without an object number sorts first and is skipped.
            let of = row.get::<_, Option<i64>>(0).map_err(unreadable)?.unwrap_or(i64::MIN);
            self.next = Some((of, (self.read)(row)?));
        }
        Ok(())
    }
}

/// Returns the column names of a table, or none if the table does not exist.
fn columns_of(database: &Connection, table: &str) -> Result<BTreeSet<String>, Obstacle> {
    let names = database.prepare("SELECT name FROM pragma_table_info(?1)").and_then(|mut statement| {
        let names = statement.query_map([table], |row| row.get(0))?;
        names.collect()
    });
    names.map_err(unreadable)
}

pub(super) fn unreadable(why: rusqlite::Error) -> Obstacle {
    Obstacle::Damaged(why.to_string())
}

/// Decodes the row of an object, without the values of joined tables.
fn found(id: Id, row: &Row<'_>) -> Result<Found, Obstacle> {
    let object_type: ObjectType = needed(row, "object_type", enumeration(ObjectType::from_wire))?;
    Ok(Found {
        id,
        owner: column(row, "owner")?,
        object: object(object_type, row)?,
        initial_date: DateTime(column::<Option<i64>>(row, "initial_date")?.unwrap_or(0)),
        operation_policy_name: column(row, "operation_policy_name")?,
        names: Vec::new(),
        object_groups: Vec::new(),
        application_specific_information: Vec::new(),
        cryptographic_usage_mask: column::<Option<i32>>(row, "cryptographic_usage_mask")?
            .map(CryptographicUsageMask),
        state: optional(row, "state", enumeration(State::from_wire))?,
        sensitive: column::<Option<bool>>(row, "sensitive")?.unwrap_or(false),
    })
}

fn object(object_type: ObjectType, row: &Row<'_>) -> Result<Object, Obstacle> {
    let value = || {
        let value = row.get_ref("value").map_err(unreadable)?;
        Ok(value.as_blob().map_err(|_| Obstacle::Value { column: "value".to_owned() })?.to_vec())
    };
    Ok(match object_type {
        ObjectType::Certificate => Object::Certificate(Certificate {
            certificate_type: needed(row, "certificate_type", enumeration(CertificateType::from_wire))?,
            certificate_value: value()?,
        }),
        ObjectType::SymmetricKey => Object::SymmetricKey(Key { key_block: key_block(row, value()?)? }),
        ObjectType::PublicKey => Object::PublicKey(Key { key_block: key_block(row, value()?)? }),
        ObjectType::PrivateKey => Object::PrivateKey(Key { key_block: key_block(row, value()?)? }),
        ObjectType::SplitKey => Object::SplitKey(SplitKey {
            split_key_parts: needed(row, "_split_key_parts", whole)?,
            key_part_identifier: needed(row, "_key_part_identifier", whole)?,
            split_key_threshold: needed(row, "_split_key_threshold", whole)?,
            split_key_method: needed(row, "_split_key_method", enumeration(SplitKeyMethod::from_wire))?,
            prime_field_size: optional(row, "_prime_field_size", |size| u64::try_from(size).ok())?
                .map(|size| BigInteger::from_magnitude(&size.to_be_bytes())),
            key_block: key_block(row, value()?)?,
        }),
        ObjectType::SecretData => Object::SecretData(SecretData {
            secret_data_type: needed(row, "data_type", enumeration(SecretDataType::from_wire))?,
            // PyKMIP stores no Key Format Type of Secret Data and returns it as Opaque.
            key_block: KeyBlock {
                key_format_type: KeyFormatType::Opaque,
                key_compression_type: None,
                key_value: Some(KeyValue::of(KeyMaterial::Bytes(Secret::new(value()?)))),
                cryptographic_algorithm: None,
                cryptographic_length: None,
                key_wrapping_data: None,
            },
        }),
        ObjectType::OpaqueObject => Object::OpaqueObject(OpaqueObject {
            opaque_data_type: needed(row, "opaque_type", |number| {
                u32::try_from(number).ok().map(OpaqueDataType)
            })?,
            opaque_data_value: Secret::new(value()?),
        }),
        ObjectType::Template | ObjectType::PgpKey | ObjectType::CertificateRequest => {
            return Err(Obstacle::Value { column: "object_type".to_owned() });
        }
    })
}

fn key_block(row: &Row<'_>, value: Vec<u8>) -> Result<KeyBlock, Obstacle> {
    let method = optional(row, "_kdw_wrapping_method", enumeration(WrappingMethod::from_wire))?;
    let wrapping = |wrapping_method| {
        Ok(KeyWrappingData {
            wrapping_method,
            encryption_key_information: key_information(row, "_kdw_eki")?,
            mac_signature_key_information: key_information(row, "_kdw_mski")?,
            mac_signature: column(row, "_kdw_mac_signature")?,
            iv_counter_nonce: column(row, "_kdw_iv_counter_nonce")?,
            encoding_option: optional(row, "_kdw_encoding_option", enumeration(EncodingOption::from_wire))?,
        })
    };
    Ok(KeyBlock {
        key_format_type: needed(row, "key_format_type", enumeration(KeyFormatType::from_wire))?,
        key_compression_type: None,
        key_value: Some(KeyValue::of(KeyMaterial::Bytes(Secret::new(value)))),
        cryptographic_algorithm: optional(
            row,
            "cryptographic_algorithm",
            enumeration(CryptographicAlgorithm::from_wire),
        )?,
        cryptographic_length: optional(row, "cryptographic_length", whole)?,
        key_wrapping_data: method.map(wrapping).transpose()?,
    })
}

/// Returns the key information of a wrapping or MAC key, or `None` if no column names such a key.
fn key_information(row: &Row<'_>, prefix: &str) -> Result<Option<KeyInformation>, Obstacle> {
    let Some(identifier) = column::<Option<String>>(row, &format!("{prefix}_unique_identifier"))? else {
        return Ok(None);
    };
    let parameters = CryptographicParameters {
        block_cipher_mode: parameter(
            row,
            prefix,
            "block_cipher_mode",
            enumeration(BlockCipherMode::from_wire),
        )?,
        padding_method: parameter(row, prefix, "padding_method", enumeration(PaddingMethod::from_wire))?,
        hashing_algorithm: parameter(
            row,
            prefix,
            "hashing_algorithm",
            enumeration(HashingAlgorithm::from_wire),
        )?,
        key_role_type: parameter(row, prefix, "key_role_type", enumeration(KeyRoleType::from_wire))?,
        digital_signature_algorithm: parameter(
            row,
            prefix,
            "digital_signature_algorithm",
            enumeration(DigitalSignatureAlgorithm::from_wire),
        )?,
        cryptographic_algorithm: parameter(
            row,
            prefix,
            "cryptographic_algorithm",
            enumeration(CryptographicAlgorithm::from_wire),
        )?,
        random_iv: parameter(row, prefix, "random_iv", |flag| Some(flag != 0))?,
        iv_length: parameter(row, prefix, "iv_length", whole)?,
        tag_length: parameter(row, prefix, "tag_length", whole)?,
        fixed_field_length: parameter(row, prefix, "fixed_field_length", whole)?,
        invocation_field_length: parameter(row, prefix, "invocation_field_length", whole)?,
        counter_length: parameter(row, prefix, "counter_length", whole)?,
        initial_counter_value: parameter(row, prefix, "initial_counter_value", whole)?,
        ..CryptographicParameters::default()
    };
    let given = parameters != CryptographicParameters::default();
    Ok(Some(KeyInformation {
        unique_identifier: UniqueIdentifier::Text(identifier),
        cryptographic_parameters: given.then_some(parameters),
    }))
}

fn parameter<T>(
    row: &Row<'_>,
    prefix: &str,
    name: &str,
    read: impl FnOnce(i64) -> Option<T>,
) -> Result<Option<T>, Obstacle> {
    optional(row, &format!("{prefix}_cp_{name}"), read)
}

fn name(row: &Row<'_>) -> Result<Name, Obstacle> {
    let name_type = optional(row, "name_type", enumeration(NameType::from_wire))?;
    Ok(Name {
        name_value: column(row, "name")?,
        name_type: name_type.unwrap_or(NameType::UninterpretedTextString),
    })
}

fn application_information(row: &Row<'_>) -> Result<ApplicationSpecificInformation, Obstacle> {
    Ok(ApplicationSpecificInformation {
        application_namespace: column(row, "application_namespace")?,
        application_data: column(row, "application_data")?,
    })
}

/// Returns the value of a column.
///
/// # Errors
/// Returns [`Obstacle::Value`] if the value has another type.
fn column<T: FromSql>(row: &Row<'_>, name: &str) -> Result<T, Obstacle> {
    row.get(name).map_err(|_| Obstacle::Value { column: name.to_owned() })
}

/// Returns a numeric column as `read` converts it, or `None` for NULL and -1, which PyKMIP writes for no value.
fn optional<T>(
    row: &Row<'_>,
    name: &str,
    read: impl FnOnce(i64) -> Option<T>,
) -> Result<Option<T>, Obstacle> {
    let number = column::<Option<i64>>(row, name)?.filter(|number| *number != -1);
    let wrong = || Obstacle::Value { column: name.to_owned() };
    number.map(|number| read(number).ok_or_else(wrong)).transpose()
}

/// As [`optional`], for a column that must have a value.
fn needed<T>(row: &Row<'_>, name: &str, read: impl FnOnce(i64) -> Option<T>) -> Result<T, Obstacle> {
    optional(row, name, read)?.ok_or_else(|| Obstacle::Value { column: name.to_owned() })
}

fn enumeration<T>(entry: fn(u32) -> Option<T>) -> impl FnOnce(i64) -> Option<T> {
    move |number| entry(u32::try_from(number).ok()?)
}

fn whole(number: i64) -> Option<i32> {
    i32::try_from(number).ok()
}
