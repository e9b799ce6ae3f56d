//! Transactions of the [`Context`] that add objects, and change existing objects together with them.

use std::sync::Arc;

use crate::kmip::Error;
use crate::kmip::enums::{Operation, ResultReason};
use crate::kmip::structures::UniqueIdentifier;
use crate::store::{Id, Record, Transaction};

use super::access::Gate;
use super::attribute_bounds;
use super::context::Context;
use super::creation::RecordWithoutId;
use super::error::{OrGeneralFailure, failed, refused};
use super::{access, constraints, key, lifecycle};

impl Context<'_> {
    /// Adds an object and returns its Unique Identifier.
    ///
    /// # Errors
    /// Returns Constraint Violation (before 2.1 Permission Denied), Permission Denied if the request contains a ticket
    /// without the right to create the object, and the errors of the store.
    pub fn insert(&mut self, new: RecordWithoutId) -> Result<Id, Error> {
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let mut new = new;
        let id = self.transact(|transaction| add_one(transaction, &gate, &mut new))?;
        self.touch(&id.to_string());
        Ok(id)
    }

    /// Adds several objects in one transaction; `link` sets the links between them, after each has its Unique
    /// Identifier.
    ///
    /// # Errors
    /// Returns the errors of [`Context::insert`].
    pub fn insert_linked(
        &mut self,
        new: Vec<RecordWithoutId>,
        mut link: impl FnMut(&mut [Record]),
    ) -> Result<Vec<Id>, Error> {
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let ids = self.transact(|transaction| {
            let records =
                new.iter().map(|new| Ok(new.clone().with_id(transaction.next_id().or_general_failure()?)));
            let mut records = records.collect::<Result<Vec<_>, Error>>()?;
            link(&mut records);
            let ids: Vec<_> = records.iter().map(|record| record.id).collect();
            add(transaction, &gate, records.into_iter().map(Arc::new).collect::<Vec<_>>())?;
            Ok(ids)
        })?;
        ids.iter().for_each(|id| self.touch(&id.to_string()));
        Ok(ids)
    }

    /// Adds an object and changes the existing `others` in one transaction. Their policies must allow `operation`;
    /// `change` receives each one and the Unique Identifier of the new object.
    ///
    /// # Errors
    /// Returns the errors of [`Context::insert`] and [`Context::modify`].
    pub fn insert_and_modify(
        &mut self,
        new: RecordWithoutId,
        (others, operation): (&[Id], Operation),
        mut change: impl FnMut(&mut Record, Id),
    ) -> Result<Id, Error> {
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let mut new = new;
        let id = self.transact(|transaction| {
            let id = add_one(transaction, &gate, &mut new)?;
            for other in others {
                let other_record = transaction.read(*other).or_general_failure()?;
                let mut record = gate.permit(other_record, &other.to_string(), operation)?.into_record();
                change(&mut record, id);
                lifecycle::set_last_change_date(&mut record, gate.now);
                transaction.update(record).or_general_failure()?;
            }
            Ok(id)
        })?;
        [&id].into_iter().chain(others).for_each(|id| self.touch(&id.to_string()));
        Ok(id)
    }

    /// Replaces old objects by new ones in one transaction. `replace` gets each old object with the Unique Identifier of
    /// its replacement, and returns the changed old object and the new object. The policy of each old object must allow
    /// the operation that is paired with it.
    ///
    /// # Errors
    /// Returns the errors of [`Context::open`] and of `replace`.
    pub fn insert_replacements(
        &mut self,
        old: &[(Id, Operation)],
        mut replace: impl FnMut(Vec<(Record, Id)>) -> Result<Vec<(Record, Record)>, Error>,
    ) -> Result<Vec<Id>, Error> {
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let ids = self.transact(|transaction| {
            let mut pairs = Vec::with_capacity(old.len());
            for (id, operation) in old {
                let granted =
                    gate.admit(transaction.read(*id).or_general_failure()?, &id.to_string(), *operation)?;
                pairs.push((granted.into_record(), transaction.next_id().or_general_failure()?));
            }
            let mut ids = Vec::with_capacity(pairs.len());
            for (mut old, mut new) in replace(pairs)? {
                let id = new.id;
                // The replacement stays restricted to the credential that the old object is restricted to.
                if new.owner.credential.is_none() && new.owner.user == old.owner.user {
                    new.owner.credential.clone_from(&old.owner.credential);
                }
                lifecycle::set_last_change_date(&mut old, gate.now);
                transaction.update(old).or_general_failure()?;
                add(transaction, &gate, [Arc::new(new)])?;
                ids.push(id);
            }
            Ok(ids)
        })?;
        let old = old.iter().map(|(id, _)| id);
        ids.iter().chain(old).for_each(|id| self.touch(&id.to_string()));
        Ok(ids)
    }

    /// Adds the object that `build` returns for its Unique Identifier. Import keeps the requested identifier if it is an
    /// unused decimal number up to [`Id::LARGEST_CHOSEN`]; otherwise the server assigns one. If an object has the
    /// identifier, the new object replaces it: only if `replace` is set, the requester owns it, and its policy allows
    /// the requester to destroy it.
    ///
    /// # Errors
    /// Returns Object Already Exists if `replace` is not set, Permission Denied, and the errors of `build`.
    pub fn import(
        &mut self,
        identifier: &UniqueIdentifier,
        replace: bool,
        mut build: impl FnMut(Id, Option<&Record>) -> Result<Record, Error>,
    ) -> Result<Id, Error> {
        let requested = match identifier {
            UniqueIdentifier::Text(text) => Id::parse(text),
            _ => Some(self.resolve(Some(identifier))?.0),
        };
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        let mut replaced = None;
        let id = self.transact(|transaction| {
            replaced = None;
            let existing = match requested {
                Some(id) => transaction.read(id).or_general_failure()?,
                None => None,
            };
            let Some(existing) = existing else {
                let id = match requested.filter(|id| *id <= Id::LARGEST_CHOSEN) {
                    Some(unused) => unused,
                    None => transaction.next_id().or_general_failure()?,
                };
                add(transaction, &gate, [Arc::new(build(id, None)?)])?;
                return Ok(id);
            };
            let text = existing.id.to_string();
            if !replace {
                return Err(failed(
                    ResultReason::ObjectAlreadyExists,
                    format!("The object {text} already exists."),
                ));
            }
            let old = access::decide(gate.policies, gate.identity, Operation::Import, existing)
                .filter(|old| gate.identity.principal.is_same_owner_as(&old.owner))
                .ok_or_else(|| refused(&text))?;
            let new = build(old.id, Some(&old))?;
            constraints::check(transaction, &gate.identity.principal.user, [&new])?;
            attribute_bounds::admit_change(Some(&old.attributes), &new.attributes)?;
            let id = new.id;
            transaction.update(new).or_general_failure()?;
            replaced = old.into_record().object;
            Ok(id)
        })?;
        replaced.iter().for_each(key::forget);
        self.touch(&id.to_string());
        Ok(id)
    }
}

/// Adds a new object with the next Unique Identifier. A repeated transaction adds the same object again.
fn add_one(
    transaction: &mut dyn Transaction,
    gate: &Gate<'_>,
    new: &mut RecordWithoutId,
) -> Result<Id, Error> {
    let id = transaction.next_id().or_general_failure()?;
    add(transaction, gate, [new.assign_id(id)])?;
    Ok(id)
}

/// Adds new objects, if the requester may create them and they meet the constraints that the user set.
fn add(
    transaction: &mut dyn Transaction,
    gate: &Gate<'_>,
    records: impl AsRef<[Arc<Record>]> + IntoIterator<Item = Arc<Record>>,
) -> Result<(), Error> {
    access::admit_new(gate.identity, gate.item_operation, records.as_ref().iter().map(Arc::as_ref))?;
    constraints::check(transaction, &gate.identity.principal.user, records.as_ref().iter().map(Arc::as_ref))?;
    records.into_iter().try_for_each(|record| {
        attribute_bounds::admit(&record.attributes)?;
        transaction.insert(record).or_general_failure()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use crate::engine::{NewObject, Requester, Services, key};
    use crate::kmip::enums::CryptographicAlgorithm;
    use crate::policy::{Policies, PolicyStore};
    use crate::secret::Secret;
    use crate::store::{self, Located, Memory, Outcome, Query, Store};
    use crate::ttlv::V1_4;

    /// A store that rolls the first execution of each transaction back, uses one number, and executes it again. It
    /// keeps the records of the first execution.
    #[derive(Default)]
    struct Repeating {
        objects: Memory,
        discarded: std::sync::Mutex<Vec<Arc<Record>>>,
    }

    impl Store for Repeating {
        fn read(&self, id: Id) -> Result<Option<Arc<Record>>, store::Error> {
            Store::read(&self.objects, id)
        }

        fn locate(&self, query: &Query) -> Result<Located, store::Error> {
            Store::locate(&self.objects, query)
        }

        fn server_state(&self, name: &str) -> Result<Option<Secret>, store::Error> {
            Store::server_state(&self.objects, name)
        }

        fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), store::Error> {
            self.objects.change(&mut |transaction| {
                transaction
                    .nested(&mut |transaction| {
                        job(transaction);
                        let written = transaction.writes().iter().map(|write| Arc::clone(&write.after));
                        self.discarded.lock().unwrap().extend(written);
                        Outcome::Rollback
                    })
                    .unwrap();
                transaction.next_id().unwrap();
                job(transaction)
            })
        }
    }

    fn services(store: impl Store) -> Services {
        Services::new(Arc::new(store), PolicyStore::fixed(Policies::builtin()))
    }

    #[test]
    fn a_repeated_transaction_adds_the_same_objects_with_their_final_identifiers() {
        let john = Identity { principal: "john".into(), groups: None, delegate: None };
        let services = services(Repeating::default());
        let mut cx = Context::new(&services, &john, V1_4);
        let requester = Requester::of(&cx);
        let new = || {
            let secret = Secret::new(vec![7; 16]);
            let object = key::symmetric_key(secret, CryptographicAlgorithm::Aes, 128, None, V1_4).unwrap();
            NewObject::new(object).finish(&requester).unwrap()
        };
        let one = cx.insert(new()).unwrap();
        let linked = cx.insert_linked(vec![new(), new()], |_| ()).unwrap();
        let last = cx.insert_and_modify(new(), (&[one], Operation::ReKey), |_, _| ()).unwrap();
        let ids = [one, linked[0], linked[1], last].map(|id| id.0);
        assert_eq!(ids, [2, 4, 5, 7]);
        for id in [one, linked[0], linked[1], last] {
            let record = services.store.read(id).unwrap().unwrap();
            let mut expected = new().with_id(id);
            expected.attributes.last_change_date = record.attributes.last_change_date;
            assert_eq!(*record, expected);
        }
        for number in [1, 3, 6] {
            assert_eq!(services.store.read(Id(number)).unwrap(), None);
        }
    }

    #[test]
    fn a_repeated_transaction_does_not_change_the_records_of_its_first_execution() {
        let john = Identity { principal: "john".into(), groups: None, delegate: None };
        let store = Arc::new(Repeating::default());
        let mut new = {
            let services = services(Memory::new());
            let requester = Requester::of(&Context::new(&services, &john, V1_4));
            let secret = Secret::new(vec![7; 16]);
            let object = key::symmetric_key(secret, CryptographicAlgorithm::Aes, 128, None, V1_4).unwrap();
            NewObject::new(object).finish(&requester).unwrap()
        };
        let mut added = Vec::new();
        store
            .change(&mut |transaction| {
                let record = new.assign_id(transaction.next_id().unwrap());
                added.push(record.id);
                transaction.insert(record).unwrap();
                Outcome::Commit
            })
            .unwrap();
        assert_eq!(added, [Id(1), Id(2)]);
        let discarded = store.discarded.lock().unwrap();
        assert_eq!(discarded.iter().map(|record| record.id).collect::<Vec<_>>(), [Id(1)]);
        assert_eq!(discarded[0].attributes.unique_identifier, Some(Id(1).into()));
    }
}
