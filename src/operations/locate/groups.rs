//! Object Group Member: the fresh members and the default member of a group.
//!
//! The server returns fresh members in the order in which they joined. If the group with the reserved name `default`
//! (1.4 §3.33) has no fresh member left, the server generates a key. The default member rotates among all members.

use crate::engine::{Context, NewObject, RequestedAttributes, Requester, Search};
use crate::kmip::Error;
use crate::kmip::attributes::{Attribute, AttributeDefinition};
use crate::kmip::enums::{CryptographicAlgorithm, CryptographicUsageMask};
use crate::operations::create::symmetric_key;
use crate::store::{Criterion, Id, Located, Order};
use crate::ttlv::Tag;

/// The name of the group for which the server generates keys (1.4 §3.33).
const FILLED: &str = "default";

/// Returns the first group that the request names.
pub(super) fn named(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find(|attribute| attribute.row.tag == Tag::ObjectGroup)?.read().ok()
}

/// Returns the fresh objects of the search.
pub(super) fn fresh(cx: &mut Context<'_>, mut search: Search, group: Option<&str>) -> Result<Located, Error> {
    if let Some(fresh) = AttributeDefinition::of(Tag::Fresh) {
        search.criteria.push(Criterion::Equals(Attribute::of(fresh, &true)));
    }
    search.order = Order::OldestFirst;
    let first = search.offset == 0 && search.limit != Some(0);
    let found = cx.locate(search.clone())?;
    if !(found.ids.is_empty() && first && group == Some(FILLED)) {
        return Ok(found);
    }
    match make(cx, &search)? {
        true => cx.locate(search),
        false => Ok(found),
    }
}

/// Returns the next member of `group` in the rotation, if the search matches one.
pub(super) fn default(cx: &mut Context<'_>, search: Search, group: &str) -> Result<Located, Error> {
    let one = Search { limit: Some(1), offset: 0, count: false, order: Order::OldestFirst, ..search.clone() };
    let mut ids = Vec::new();
    if let Some(last) = cx.last_served(group)? {
        let mut behind = one.clone();
        behind.criteria.push(Criterion::After(last));
        ids = cx.locate(behind)?.ids;
    }
    if ids.is_empty() {
        ids = cx.locate(one)?.ids;
    }
    let total = search.count.then_some(ids.len() as u64);
    if search.offset > 0 || search.limit == Some(0) {
        ids.clear();
    }
    Ok(Located { ids, total })
}

/// Generates a pre-active 256-bit AES key for encryption and decryption in the `default` group if the search would
/// match it.
fn make(cx: &mut Context<'_>, search: &Search) -> Result<bool, Error> {
    let attributes: [(Tag, &dyn Fn(&'static AttributeDefinition) -> Attribute); 4] = [
        (Tag::CryptographicAlgorithm, &|row| Attribute::of(row, &CryptographicAlgorithm::Aes)),
        (Tag::CryptographicLength, &|row| Attribute::of(row, &256)),
        (Tag::CryptographicUsageMask, &|row| {
            Attribute::of(row, &(CryptographicUsageMask::ENCRYPT | CryptographicUsageMask::DECRYPT))
        }),
        (Tag::ObjectGroup, &|row| Attribute::of(row, &FILLED.to_owned())),
    ];
    let given: RequestedAttributes =
        attributes.iter().filter_map(|(tag, value)| AttributeDefinition::of(*tag).map(value)).collect();
    let object = symmetric_key(&given, cx.version)?;
    let new = NewObject::generated(object, cx.now).with_requested(&given)?.finish(&Requester::of(cx))?;
    // No object has this identifier, so no search names it.
    let sample = new.clone().with_id(Id(0));
    let is_found = search.storage.0 & sample.storage().0 != 0
        && search.criteria.iter().all(|criterion| criterion.holds(&sample, cx.now));
    if !is_found {
        return Ok(false);
    }
    cx.insert(new)?;
    Ok(true)
}
