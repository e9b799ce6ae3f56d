//! What an asker may see, as SQL: a condition on any row, or the runs of the indexes that hold just that.

use std::collections::BTreeMap;

use super::locate::Values;
use crate::kmip::Principal;
use crate::kmip::enums::ObjectType;
use crate::store::Query;

/// How many conditions stand on one level of an expression: SQLite takes 1000 levels, and a chain of ORs is
/// as deep as it is long.
const MAX_TERMS: usize = 100;

/// Who may be seen: for each policy and type whether only the asker's own. A type that two grants name is
/// seen by the wider.
pub(super) struct Visibility<'q> {
    asker: &'q Principal,
    owner_only: BTreeMap<(&'q str, ObjectType), bool>,
}

/// A part of the objects that lies side by side in an index.
pub(super) struct Scope {
    /// The index; with `_state` after it, the one that has the stored state as well.
    pub index: &'static str,
    /// Its rows, up to where it was stored.
    pub condition: String,
}

impl<'q> Visibility<'q> {
    /// The grants of `query`, for objects of the type `only` where one is given.
    pub(super) fn of(query: &'q Query, only: Option<ObjectType>) -> Self {
        let mut owner_only = BTreeMap::new();
        for grant in &query.grants {
            if only.is_none_or(|only| only == grant.object_type) {
                let of_all = owner_only.entry((grant.policy.as_str(), grant.object_type)).or_insert(true);
                *of_all &= grant.owner_only;
            }
        }
        Self { asker: &query.asker, owner_only }
    }

    /// Whether nothing may be seen.
    pub(super) fn is_empty(&self) -> bool {
        self.owner_only.is_empty()
    }

    /// The condition of [`Principal::is_same_owner_as`] for the row `o`. The index contains the user; the
    /// credential only filters the rows that the index returns.
    fn owned(&self, sql: &mut Values) -> String {
        let user = sql.add(self.asker.user.clone());
        match &self.asker.credential {
            None => format!("o.owner = {user}"),
            Some(credential) => {
                let credential = sql.add(credential.clone());
                format!("o.owner = {user} AND (o.credential IS NULL OR o.credential = {credential})")
            }
        }
    }

    /// Whether the row `o` may be seen.
    pub(super) fn condition(&self, sql: &mut Values) -> String {
        // Types as bits, by policy: those that anybody may see, and those that their owner may see.
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
            format!("(o.policy = {policy} AND (({types} >> o.object_type) & 1))")
        });
        any(&terms.collect::<Vec<_>>())
    }

    /// The objects that may be seen, each policy and type apart.
    pub(super) fn scopes(&self, sql: &mut Values) -> Vec<Scope> {
        let mut policies = BTreeMap::new();
        let owned = self.owned(sql);
        let scopes = self.owner_only.iter().map(|((policy, object_type), owner_only)| {
            let policy = policies.entry(policy).or_insert_with(|| sql.add((*policy).to_owned()));
            let condition = format!("o.policy = {policy} AND o.object_type = {}", object_type.to_wire());
            Scope::of(*owner_only, &owned, &condition)
        });
        scopes.collect()
    }

    /// The same in two parts at the most, whose order is not that of the answer: all that anybody may see,
    /// and all that its owner may see.
    pub(super) fn joint_scopes(&self, sql: &mut Values) -> Vec<Scope> {
        let owned = self.owned(sql);
        let mut scopes = Vec::new();
        for wanted in [false, true] {
            let pairs = self.owner_only.iter().filter(|(_, owner_only)| **owner_only == wanted);
            let pairs = pairs.map(|((policy, object_type), _)| {
                format!("({}, {})", sql.add((*policy).to_owned()), object_type.to_wire())
            });
            let pairs = pairs.collect::<Vec<_>>().join(", ");
            if !pairs.is_empty() {
                let condition = format!("(o.policy, o.object_type) IN (VALUES {pairs})");
                scopes.push(Scope::of(wanted, &owned, &condition));
            }
        }
        scopes
    }
}

impl Scope {
    fn of(owner_only: bool, owned: &str, condition: &str) -> Self {
        match owner_only {
            true => Self { index: "object_by_owner", condition: format!("{owned} AND {condition}") },
            false => Self { index: "object_by_policy", condition: condition.to_owned() },
        }
    }
}

/// Whether one of `terms` holds.
fn any(terms: &[String]) -> String {
    let levels: Vec<_> = terms.chunks(MAX_TERMS).map(|terms| format!("({})", terms.join(" OR "))).collect();
    format!("({})", levels.join(" OR "))
}
