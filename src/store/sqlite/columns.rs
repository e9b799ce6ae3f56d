//! What the database's columns and its index of values hold of an object: read off the stored bytes of its
//! attributes, so that they cannot tell anything else than these.

use std::collections::BTreeSet;

use rusqlite::types::Value as Sql;

use crate::kmip::attributes::AttributeDefinition;
use crate::store::Record;
use crate::ttlv::{Error, Item, ItemType, Reader, STORED, Tag};

/// An attribute with a column of its own.
pub(super) struct Column {
    /// The attribute.
    pub tag: Tag,
    /// The column's name; the index of a date is called `object_by_` and that name.
    pub name: &'static str,
    /// Whether it holds dates.
    pub date: bool,
}

impl Column {
    const fn date(tag: Tag, name: &'static str) -> Self {
        Self { tag, name, date: true }
    }

    const fn number(tag: Tag, name: &'static str) -> Self {
        Self { tag, name, date: false }
    }

    /// The column of the attribute of that tag.
    pub(super) fn of(tag: Tag) -> Option<&'static Self> {
        COLUMNS.iter().find(|column| column.tag == tag)
    }
}

/// The attributes with columns of their own: those that the order of answers, states, storage and ranges
/// of dates need, and those that clients filter by together with others. A new one is a row here and a
/// step of the schema.
pub(super) static COLUMNS: &[Column] = &[
    Column::date(Tag::InitialDate, INITIAL_DATE),
    Column::number(Tag::State, "state"),
    Column::date(Tag::ActivationDate, "activation_date"),
    Column::date(Tag::ProcessStartDate, "process_start_date"),
    Column::date(Tag::ProtectStopDate, "protect_stop_date"),
    Column::date(Tag::DeactivationDate, "deactivation_date"),
    Column::date(Tag::DestroyDate, "destroy_date"),
    Column::date(Tag::CompromiseOccurrenceDate, "compromise_occurrence_date"),
    Column::date(Tag::CompromiseDate, "compromise_date"),
    Column::date(Tag::ArchiveDate, "archive_date"),
    Column::date(Tag::LastChangeDate, "last_change_date"),
    Column::date(Tag::OriginalCreationDate, "original_creation_date"),
    Column::date(Tag::RotateDate, "rotate_date"),
    Column::number(Tag::CryptographicAlgorithm, "cryptographic_algorithm"),
    Column::number(Tag::CryptographicLength, "cryptographic_length"),
    Column::number(Tag::CryptographicUsageMask, "cryptographic_usage_mask"),
];

/// The column that Locate's answers are ordered by.
pub(super) const INITIAL_DATE: &str = "initial_date";

/// What [`INITIAL_DATE`] holds of an object that has none, so that it comes last. No clock shows it.
pub(super) const UNDATED: i64 = i64::MIN;

/// How much of a value the index keeps, in bytes: names and the like fit, and a long one is told from others
/// with the same beginning by its attribute's bytes. SQLite's index pages hold a quarter of 4 KiB without
/// overflow.
pub(super) const MAX_KEY: usize = 512;

/// The part of a stored value that the index keeps.
pub(super) fn key(stored: &[u8]) -> &[u8] {
    stored.get(..MAX_KEY).unwrap_or(stored)
}

/// The columns that the record gives, before those that its attributes give.
const OF_RECORD: [&str; 5] = ["owner", "credential", "policy", "object_type", "storage"];

/// The names of all scalar columns, in the order of [`Columns::scalars`].
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OF_RECORD.into_iter().chain(COLUMNS.iter().map(|column| column.name))
}

/// The scalar columns of an object, and its rows in the index of values.
pub(super) struct Columns {
    /// The values of the columns that [`names`] lists.
    pub scalars: Vec<Sql>,
    /// What the column [`INITIAL_DATE`] holds: it stands in each row of the index too.
    pub initial_date: i64,
    /// Tag and key of each indexed value, each once.
    pub values: BTreeSet<(Tag, Vec<u8>)>,
}

impl Columns {
    /// Those of `record`, whose attributes are stored as `attributes`.
    ///
    /// # Errors
    /// Where these are no stored attributes.
    pub(super) fn of(record: &Record, attributes: &[u8]) -> Result<Self, Error> {
        let mut numbers: Vec<Option<i64>> = vec![None; COLUMNS.len()];
        for item in items(attributes)? {
            let item = item?;
            let column = COLUMNS.iter().position(|column| column.tag == item.tag);
            if let Some(number) = column.and_then(|position| numbers.get_mut(position)) {
                *number = Some(number_of(&item)?);
            }
        }
        let mut initial_date = UNDATED;
        let mut scalars = vec![
            Sql::Text(record.owner.user.clone()),
            record.owner.credential.clone().map_or(Sql::Null, Sql::Text),
            Sql::Text(record.policy().to_owned()),
            Sql::Integer(record.object_type.to_wire().into()),
            Sql::Integer(record.storage().0.into()),
        ];
        scalars.extend(COLUMNS.iter().zip(numbers).map(|(column, number)| {
            if column.name == INITIAL_DATE {
                initial_date = number.unwrap_or(UNDATED);
                return Sql::Integer(initial_date);
            }
            number.map_or(Sql::Null, Sql::Integer)
        }));
        Ok(Self { scalars, initial_date, values: indexed(attributes)? })
    }
}

/// Tag and key of each indexed value in `attributes`, stored attributes; each once.
///
/// # Errors
/// Where these are no stored attributes.
pub(super) fn indexed(attributes: &[u8]) -> Result<BTreeSet<(Tag, Vec<u8>)>, Error> {
    let mut values = BTreeSet::new();
    for item in items(attributes)? {
        let item = item?;
        if AttributeDefinition::of(item.tag).is_some_and(|row| row.rules.indexed) {
            values.insert((item.tag, key(item.wire).to_vec()));
        }
    }
    Ok(values)
}

/// Whether one of the values in `attributes`, stored attributes, is exactly `value`, a stored item.
///
/// # Errors
/// Where these are no stored attributes.
pub(super) fn has_value(attributes: &[u8], value: &[u8]) -> Result<bool, Error> {
    for item in items(attributes)? {
        if item?.wire == value {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The number in an item that has one.
///
/// # Errors
/// [`Error::WrongType`] for any other item.
pub(super) fn number_of(item: &Item<'_>) -> Result<i64, Error> {
    let wrong = Error::WrongType { tag: item.tag, expected: ItemType::LongInteger, found: item.kind };
    match item.kind {
        ItemType::Integer => item.bytes.try_into().map(|bytes| i32::from_be_bytes(bytes).into()),
        ItemType::Enumeration => item.bytes.try_into().map(|bytes| u32::from_be_bytes(bytes).into()),
        ItemType::LongInteger | ItemType::DateTime => item.bytes.try_into().map(i64::from_be_bytes),
        _ => return Err(wrong),
    }
    .map_err(|_| wrong)
}

/// The items of stored attributes.
fn items(attributes: &[u8]) -> Result<impl Iterator<Item = Result<Item<'_>, Error>>, Error> {
    let mut items = Reader::new(attributes, STORED).require(Tag::Attributes)?.structure()?;
    Ok(std::iter::from_fn(move || items.next().transpose()))
}
