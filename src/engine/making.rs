//! Changes that make new objects, and touch others with them: all of it is kept, or nothing.
//!
//! They are methods of the [`Context`], apart from those of one object that is there.

use std::sync::Arc;

use crate::kmip::Error;
use crate::kmip::enums::{Operation, ResultReason};
use crate::kmip::structures::UniqueIdentifier;
use crate::store::{Id, Record, Transaction};

use super::access::Gate;
use super::context::Context;
use super::creation::RecordWithoutId;
use super::error::{failed, refused};
use super::{access, constraints, key, lifecycle};

impl Context<'_> {
    /// Adds an object.
    ///
    /// # Errors
    /// Constraint Violation (before 2.1 Permission Denied), Permission Denied where the asker acts for another without
    /// the right to make it, and where the store fails.
    pub fn insert(&mut self, new: RecordWithoutId) -> Result<Id, Error> {
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let id = self.transact(|transaction| add_one(transaction, &gate, new))?;
        self.touch(&id.to_string());
        Ok(id)
    }

    /// Adds several objects, as [`Context::insert`] does, in one change; `link` sees them with their numbers.
    ///
    /// # Errors
    /// Those of [`Context::insert`].
    pub fn insert_linked(
        &mut self,
        new: Vec<RecordWithoutId>,
        link: impl FnOnce(&mut [Record]),
    ) -> Result<Vec<Id>, Error> {
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let ids = self.transact(|transaction| {
            let numbered = new.into_iter().map(|new| Ok(new.numbered(transaction.next_id()?)));
            let mut records = numbered.collect::<Result<Vec<_>, Error>>()?;
            link(&mut records);
            let ids: Vec<_> = records.iter().map(|record| record.id).collect();
            add(transaction, &gate, records)?;
            Ok(ids)
        })?;
        ids.iter().for_each(|id| self.touch(&id.to_string()));
        Ok(ids)
    }

    /// Adds an object, as [`Context::insert`] does, and changes the existing `others` of which the policies allow
    /// `operation`, each of which sees the number of the new one. All of it is one change.
    ///
    /// # Errors
    /// Those of [`Context::insert`] and [`Context::modify`].
    pub fn insert_beside(
        &mut self,
        new: RecordWithoutId,
        (others, operation): (&[Id], Operation),
        mut change: impl FnMut(&mut Record, Id),
    ) -> Result<Id, Error> {
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let id = self.transact(|transaction| {
            let id = add_one(transaction, &gate, new)?;
            for other in others {
                let there = transaction.read(*other)?;
                let mut record = gate.permit(there, &other.to_string(), operation)?.into_record();
                change(&mut record, id);
                lifecycle::touch(&mut record, gate.now);
                transaction.update(record)?;
            }
            Ok(id)
        })?;
        [&id].into_iter().chain(others).for_each(|id| self.touch(&id.to_string()));
        Ok(id)
    }

    /// Puts new objects in the place of old ones, in one change: `replace` gets each old object and the number of
    /// its successor, and gives the old object as it is kept and the new one. The policy of each old object has
    /// to allow the operation beside it.
    ///
    /// # Errors
    /// Those of [`Context::open`], and those of `replace`.
    pub fn supersede(
        &mut self,
        old: &[(Id, Operation)],
        replace: impl FnOnce(Vec<(Record, Id)>) -> Result<Vec<(Record, Record)>, Error>,
    ) -> Result<Vec<Id>, Error> {
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let ids = self.transact(|transaction| {
            let mut pairs = Vec::with_capacity(old.len());
            for (id, operation) in old {
                let granted = gate.admit(transaction.read(*id)?, &id.to_string(), *operation)?;
                pairs.push((granted.into_record(), transaction.next_id()?));
            }
            let mut ids = Vec::with_capacity(pairs.len());
            for (mut old, mut new) in replace(pairs)? {
                let id = new.id;
                // Whoever was kept out of the old one is kept out of the new one.
                if new.owner.credential.is_none() && new.owner.user == old.owner.user {
                    new.owner.credential.clone_from(&old.owner.credential);
                }
                lifecycle::touch(&mut old, gate.now);
                transaction.update(old)?;
                add(transaction, &gate, vec![new])?;
                ids.push(id);
            }
            Ok(ids)
        })?;
        let old = old.iter().map(|(id, _)| id);
        ids.iter().chain(old).for_each(|id| self.touch(&id.to_string()));
        Ok(ids)
    }

    /// Adds the object that `build` makes of its number: the one that `identifier` is, up to
    /// [`Id::LARGEST_CHOSEN`], or else a new one. Where an object has that number, the new one takes its place; only
    /// its owner may have that, and only where `replace` says so and the policy allows to destroy it.
    ///
    /// # Errors
    /// Object Already Exists where it may not be replaced, Permission Denied, and those of `build`.
    pub fn import(
        &mut self,
        identifier: &UniqueIdentifier,
        replace: bool,
        build: impl FnOnce(Id, Option<&Record>) -> Result<Record, Error>,
    ) -> Result<Id, Error> {
        let wanted = match identifier {
            UniqueIdentifier::Text(text) => Id::parse(text),
            _ => Some(self.resolve(Some(identifier))?.0),
        };
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let mut gone = None;
        let id = self.transact(|transaction| {
            let there = match wanted {
                Some(id) => transaction.read(id)?,
                None => None,
            };
            let Some(there) = there else {
                let id = match wanted.filter(|id| *id <= Id::LARGEST_CHOSEN) {
                    Some(free) => free,
                    None => transaction.next_id()?,
                };
                add(transaction, &gate, vec![build(id, None)?])?;
                return Ok(id);
            };
            let text = there.id.to_string();
            if !replace {
                return Err(failed(ResultReason::ObjectAlreadyExists, format!("There is an object {text}.")));
            }
            let old = access::decide(gate.policies, gate.identity, Operation::Import, there)
                .filter(|old| gate.identity.principal.is_same_owner_as(&old.owner))
                .ok_or_else(|| refused(&text))?;
            let new = build(old.id, Some(&old))?;
            constraints::check(transaction, &gate.identity.principal.user, [&new])?;
            let id = new.id;
            transaction.update(new)?;
            gone = old.into_record().object;
            Ok(id)
        })?;
        gone.iter().for_each(key::forget);
        self.touch(&id.to_string());
        Ok(id)
    }
}

/// Adds a new object under a new number.
fn add_one(transaction: &mut dyn Transaction, gate: &Gate<'_>, new: RecordWithoutId) -> Result<Id, Error> {
    let id = transaction.next_id()?;
    add(transaction, gate, vec![new.numbered(id)])?;
    Ok(id)
}

/// Adds new objects, if the asker may make them and they meet the constraints that the user set.
fn add(transaction: &mut dyn Transaction, gate: &Gate<'_>, records: Vec<Record>) -> Result<(), Error> {
    access::admit_new(gate.identity, gate.doing, &records)?;
    constraints::check(transaction, &gate.identity.principal.user, &records)?;
    for record in records {
        transaction.insert(record)?;
    }
    Ok(())
}
