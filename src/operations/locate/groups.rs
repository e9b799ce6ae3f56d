//! Object Group Member: the fresh members and the default member of a group.
//!
//! What the standard leaves to the server: fresh members are handed out in the order in which they joined. The
//! group with the reserved name `default` (1.4 §3.33) never runs out of them: where none is left, a key is made. The
//! default member of a group is the one whose turn it is; `engine::turns` says how they take turns.

use crate::engine::{Context, NewObject, RequestedAttributes, Requester, Search};
use crate::kmip::Error;
use crate::kmip::attributes::{Attribute, AttributeDefinition};
use crate::kmip::enums::{CryptographicAlgorithm, CryptographicUsageMask};
use crate::operations::create::symmetric_key;
use crate::store::{Criterion, Id, Located, Order};
use crate::ttlv::Tag;

/// The name of the group that the server fills (1.4 §3.33).
const FILLED: &str = "default";

/// The group that a request asks for; the first where it asks for several.
pub(super) fn named(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find(|attribute| attribute.row.tag == Tag::ObjectGroup)?.read().ok()
}

/// The fresh objects of the search, those of `group`.
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

/// The member of `group` whose turn it is, of the objects of the search: one at the most.
pub(super) fn default(cx: &mut Context<'_>, search: Search, group: &str) -> Result<Located, Error> {
    let one = Search { limit: Some(1), offset: 0, count: false, order: Order::OldestFirst, ..search.clone() };
    let mut ids = Vec::new();
    if let Some(last) = cx.last_served(group) {
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

/// Makes a key for the group that the server fills, if such a key is what is looked for. It is like the keys that
/// most clients create: AES with 256 bits, to encrypt and to decrypt, not yet active.
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
    // A number that no object has: nobody can look for it.
    let sample = new.clone().with_id(Id(0));
    let is_found = search.storage.0 & sample.storage().0 != 0
        && search.criteria.iter().all(|criterion| criterion.holds(&sample, cx.now));
    if !is_found {
        return Ok(false);
    }
    cx.insert(new)?;
    Ok(true)
}
