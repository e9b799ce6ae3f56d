//! The columns and index values of an object. They are derived from the stored bytes of its attributes, so that they
//! cannot differ from these.

use std::collections::BTreeSet;

use rusqlite::types::Value as Sql;

use crate::kmip::attributes::AttributeDefinition;
use crate::store::Record;
use crate::ttlv::{Error, Item, ItemType, Reader, STORED, Tag};

/// An attribute with a column of its own.
pub(super) struct Column {
    /// The attribute.
    pub tag: Tag,
    /// The name of the column. The index of a date is named `object_by_` plus this name.
    pub name: &'static str,
    /// Whether it contains dates.
    pub date: bool,
}

impl Column {
    const fn date(tag: Tag, name: &'static str) -> Self {
        Self { tag, name, date: true }
    }

    const fn number(tag: Tag, name: &'static str) -> Self {
        Self { tag, name, date: false }
    }

    /// Returns the column of the attribute with this tag, or `None`.
    pub(super) fn of(tag: Tag) -> Option<&'static Self> {
        COLUMNS.iter().find(|column| column.tag == tag)
    }
}

/// The attributes with a column: those that order, state, storage status and date ranges need, and those that clients
/// combine with other criteria. A new one needs a row here and a step of the schema.
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

/// The column that orders the results of Locate.
pub(super) const INITIAL_DATE: &str = "initial_date";

/// The value of [`INITIAL_DATE`] for an object without Initial Date. It sorts as the oldest; no clock returns it.
pub(super) const UNDATED: i64 = i64::MIN;

/// The maximum length of an index key in bytes. Names fit; a query for a longer value also compares the stored
/// attributes. An entry of up to a quarter of SQLite's 4 KiB page needs no overflow page.
pub(super) const MAX_KEY: usize = 512;

/// Returns the index key of a stored value.
pub(super) fn key(stored: &[u8]) -> &[u8] {
    stored.get(..MAX_KEY).unwrap_or(stored)
}

/// The columns that do not come from attributes. They precede those that do.
const OF_RECORD: [&str; 5] = ["owner", "credential", "policy", "object_type", "storage"];

/// Returns the names of all scalar columns, in the order of [`Columns::scalars`].
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OF_RECORD.into_iter().chain(COLUMNS.iter().map(|column| column.name))
}

/// The tag and key of an indexed value.
pub(super) type IndexValue = (Tag, Vec<u8>);

/// The scalar columns of an object.
pub(super) struct Columns {
    /// The values of the columns in the order of [`names`].
    pub scalars: Vec<Sql>,
    /// The value of the column [`INITIAL_DATE`], which each index row contains too.
    pub initial_date: i64,
}

impl Columns {
    /// Returns the columns of `record`, whose stored attributes are `attributes`.
    ///
    /// # Errors
    /// Returns an error if `attributes` are not stored attributes.
    pub(super) fn of(record: &Record, attributes: &[u8]) -> Result<Self, Error> {
        let mut numbers = [None; COLUMNS.len()];
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
        Ok(Self { scalars, initial_date })
    }
}

/// Returns the tag and key of each indexed value in the stored attributes, without duplicates.
///
/// # Errors
/// Returns an error if `attributes` are not stored attributes.
pub(super) fn indexed(attributes: &[u8]) -> Result<BTreeSet<IndexValue>, Error> {
    Ok(owned(keys(attributes)?))
}

/// The indexed values that an update removes and adds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct IndexChange {
    pub removed: BTreeSet<IndexValue>,
    pub added: BTreeSet<IndexValue>,
}

impl IndexChange {
    /// Returns the change from the stored attributes `before` to `after`. Its cost beyond one pass over both depends on
    /// the values between the first and the last difference.
    ///
    /// # Errors
    /// Returns an error if the bytes are not stored attributes.
    pub(super) fn between(before: &[u8], after: &[u8]) -> Result<Self, Error> {
        let (before, after) = (keys(before)?, keys(after)?);
        let equal = |(one, other): &(&Key<'_>, &Key<'_>)| one == other;
        let first = before.iter().zip(&after).take_while(equal).count();
        let ends = before.iter().skip(first).rev().zip(after.iter().skip(first).rev());
        let last = ends.take_while(equal).count();
        let middle = |count: usize| first..count - last;
        let old: BTreeSet<_> = before.get(middle(before.len())).into_iter().flatten().copied().collect();
        let new: BTreeSet<_> = after.get(middle(after.len())).into_iter().flatten().copied().collect();
        let mut removed: BTreeSet<_> = old.difference(&new).copied().collect();
        let mut added: BTreeSet<_> = new.difference(&old).copied().collect();
        if !removed.is_empty() || !added.is_empty() {
            // A value that occurs among the equal ones, too, stays in the index.
            for key in before.iter().take(first).chain(before.iter().skip(before.len() - last)) {
                removed.remove(key);
                added.remove(key);
            }
        }
        Ok(Self { removed: owned(removed), added: owned(added) })
    }
}

/// The tag and key of an indexed value in stored attributes.
type Key<'a> = (Tag, &'a [u8]);

/// Returns the keys of the indexed values.
fn keys(attributes: &[u8]) -> Result<Vec<Key<'_>>, Error> {
    let is_indexed = |item: &Item<'_>| AttributeDefinition::of(item.tag).is_some_and(|row| row.rules.indexed);
    let items = items(attributes)?.filter(|item| item.as_ref().map_or(true, is_indexed));
    items.map(|item| item.map(|item| (item.tag, key(item.wire)))).collect()
}

fn owned<'a>(keys: impl IntoIterator<Item = Key<'a>>) -> BTreeSet<IndexValue> {
    keys.into_iter().map(|(tag, key)| (tag, key.to_vec())).collect()
}

/// Whether the stored attributes contain the stored item `value`.
///
/// # Errors
/// Returns an error if `attributes` are not stored attributes.
pub(super) fn has_value(attributes: &[u8], value: &[u8]) -> Result<bool, Error> {
    for item in items(attributes)? {
        if item?.wire == value {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the number in an item.
///
/// # Errors
/// Returns [`Error::WrongType`] if the type of the item is not numeric.
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

/// Returns the items of stored attributes.
fn items(attributes: &[u8]) -> Result<impl Iterator<Item = Result<Item<'_>, Error>>, Error> {
    let mut items = Reader::new(attributes, STORED).require(Tag::Attributes)?.structure()?;
    Ok(std::iter::from_fn(move || items.next().transpose()))
}
