//! The objects that a requester may see, as SQL: a condition on a row, or index ranges that contain exactly these.

use std::collections::BTreeMap;

use super::values::Values;
use crate::kmip::Principal;
use crate::kmip::enums::ObjectType;
use crate::store::Query;

/// The maximum number of terms in one chain of ORs. SQLite limits expressions to 1000 levels, and a chain is as deep
/// as it is long.
const MAX_TERMS: usize = 100;

/// The grants of a query: for each policy and type, whether the requester sees only its own objects. If two grants
/// cover a type, the wider one counts.
pub(super) struct Visibility<'q> {
    requester: &'q Principal,
    owner_only: BTreeMap<(&'q str, ObjectType), bool>,
}

/// A contiguous range of an index.
pub(super) struct IndexRange {
    /// The index. The one with the suffix `_state` also contains the stored state.
    pub index: &'static str,
    /// The condition on its rows, except for the storage status.
    pub condition: String,
}

impl<'q> Visibility<'q> {
    /// Returns the grants of `query`, limited to the type `only` if there is one.
    pub(super) fn of(query: &'q Query, only: Option<ObjectType>) -> Self {
        let mut owner_only = BTreeMap::new();
        for grant in &query.grants {
            if only.is_none_or(|only| only == grant.object_type) {
                let of_all = owner_only.entry((grant.policy.as_str(), grant.object_type)).or_insert(true);
                *of_all &= grant.owner_only;
            }
        }
        Self { requester: &query.requester, owner_only }
    }

    /// Whether the requester may see no object.
    pub(super) fn is_empty(&self) -> bool {
        self.owner_only.is_empty()
    }

    /// The condition of [`Principal::is_same_owner_as`] for the row `o`. The index contains the user; the
    /// credential only filters the rows that the index returns.
    fn owned(&self, sql: &mut Values) -> String {
        let user = sql.add(self.requester.user.clone());
        match &self.requester.credential {
            None => format!("o.owner = {user}"),
            Some(credential) => {
                let credential = sql.add(credential.clone());
                format!("o.owner = {user} AND (o.credential IS NULL OR o.credential = {credential})")
            }
        }
    }

    /// Returns the condition that the requester may see the row `o`.
    pub(super) fn condition(&self, sql: &mut Values) -> String {
        // Bit masks of object types by policy: visible to every requester, and visible to the owner.
        let mut masks: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for ((policy, object_type), owner_only) in &self.owner_only {
            let (all, own) = masks.entry(policy).or_default();
            let bit = 1 << object_type.to_wire();
            *own |= bit;
            *all |= if *owner_only { 0 } else { bit };
        }
        let owned = self.owned(sql);
        let terms = masks.into_iter().map(|(policy, (all, own))| {
            let (policy, all, own) = (sql.add(policy.to_owned()), sql.add(all), sql.add(own));
            let types = format!("CASE WHEN {owned} THEN {own} ELSE {all} END");
            format!("(o.policy = {policy} AND (({types} >> o.object_type) & 1) <> 0)")
        });
        any(&terms.collect::<Vec<_>>())
    }

    /// Returns one range for each policy and type.
    pub(super) fn ranges(&self, sql: &mut Values) -> Vec<IndexRange> {
        let mut policies = BTreeMap::new();
        let owned = self.owned(sql);
        let ranges = self.owner_only.iter().map(|((policy, object_type), owner_only)| {
            let policy = policies.entry(policy).or_insert_with(|| sql.add((*policy).to_owned()));
            let condition = format!("o.policy = {policy} AND o.object_type = {}", object_type.to_wire());
            IndexRange::of(*owner_only, &owned, &condition)
        });
        ranges.collect()
    }

    /// Returns at most two ranges: all objects that are visible to every requester, and all that are visible to the
    /// owner. Their rows are not in the order of the result.
    pub(super) fn combined_ranges(&self, sql: &mut Values) -> Vec<IndexRange> {
        let owned = self.owned(sql);
        let mut ranges = Vec::new();
        for wanted in [false, true] {
            let pairs = self.owner_only.iter().filter(|(_, owner_only)| **owner_only == wanted);
            let pairs = pairs.map(|((policy, object_type), _)| {
                format!("({}, {})", sql.add((*policy).to_owned()), object_type.to_wire())
            });
            let pairs = pairs.collect::<Vec<_>>().join(", ");
            if !pairs.is_empty() {
                let condition = format!("(o.policy, o.object_type) IN (VALUES {pairs})");
                ranges.push(IndexRange::of(wanted, &owned, &condition));
            }
        }
        ranges
    }
}

impl IndexRange {
    fn of(owner_only: bool, owned: &str, condition: &str) -> Self {
        match owner_only {
            true => Self { index: "object_by_owner", condition: format!("{owned} AND {condition}") },
            false => Self { index: "object_by_policy", condition: condition.to_owned() },
        }
    }
}

/// Returns the disjunction of `terms`.
fn any(terms: &[String]) -> String {
    let levels: Vec<_> = terms.chunks(MAX_TERMS).map(|terms| format!("({})", terms.join(" OR "))).collect();
    format!("({})", levels.join(" OR "))
}
