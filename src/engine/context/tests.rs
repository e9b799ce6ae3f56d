//! Tests of the context: placeholders, commit modes, and the time that computations may take.

use super::*;
use crate::policy::PolicyStore;
use crate::store::Memory;

fn services() -> Services {
    Services::new(Arc::new(Memory::new()), PolicyStore::fixed(Policies::builtin()))
}

fn john() -> Identity {
    Identity { principal: "john".into(), groups: None, delegate: None }
}

#[test]
fn resolves_the_id_placeholder_and_the_objects_of_the_batch() {
    let (services, john) = (services(), john());
    let mut cx = Context::new(&services, &john, V2_1);
    assert!(cx.resolve(None).is_err());
    cx.set_placeholders(UniqueIdentifierValue::Create, Id(1));
    cx.set_placeholders(UniqueIdentifierValue::Register, Id(2));
    cx.set_id_placeholder(Id(3));
    let mut id = |identifier| cx.resolve(Some(&identifier)).map(|(id, _)| id.0).ok();
    let kind = UniqueIdentifier::Placeholder;
    assert_eq!(id(kind(UniqueIdentifierValue::IdPlaceholder)), Some(3));
    assert_eq!(id(kind(UniqueIdentifierValue::Create)), Some(1));
    assert_eq!(id(kind(UniqueIdentifierValue::Certify)), None);
    let items = [0, 1, 2, -1, -2, -3].map(|number| id(UniqueIdentifier::Item(number)));
    assert_eq!(items, [Some(1), Some(2), None, Some(2), Some(1), None]);
    assert_eq!(cx.take_touched(), ["3", "1", "2"]);
    cx.clear_id_placeholder();
    assert!(cx.resolve(None).is_err());
}

#[test]
fn failed_transaction_changes_nothing_in_any_commit_mode() {
    let (services, john) = (services(), john());
    let name = |mode: usize| format!("state {mode}");
    let fail = |cx: &mut Context<'_>, mode: usize| {
        let failed = cx.transact(|transaction| {
            transaction.set_server_state(&name(mode), &Secret::new(vec![1])).or_general_failure()?;
            Err::<(), _>(invalid_field("the job fails"))
        });
        assert!(failed.is_err());
        assert!(cx.read_server_state(&name(mode)).unwrap().is_none());
    };
    fail(&mut Context::new(&services, &john, V2_1), 0);
    fail(&mut Context::pipelined(&services, &john, V2_1), 1);
    let enclosing = &mut |cx: &mut Context<'_>| {
        fail(cx, 2);
        Outcome::Commit
    };
    Context::atomically(&services, &john, V2_1, enclosing).unwrap();
}

#[test]
fn computes_for_long_only_while_no_transaction_waits() {
    let (services, john) = (services(), john());
    let mut results = Vec::new();
    let compute = &mut |cx: &mut Context<'_>| {
        let mut compute = |cx: &mut Context<'_>| {
            let computed = cx.with_cpu_permit(Effort::Seconds, || Ok(7));
            results.push(computed.map_err(|error| error.reason));
        };
        compute(cx);
        cx.forbid_repetition().unwrap();
        compute(cx);
        Outcome::Commit
    };
    Context::atomically(&services, &john, V2_1, compute).unwrap();
    assert_eq!(results, [Ok(7), Err(ResultReason::ServerLimitExceeded)]);
}

#[test]
fn bounds_the_processor_time_while_other_transactions_wait() {
    let (services, john) = (services(), john());
    let mut items = Vec::new();
    let busy = &mut |cx: &mut Context<'_>| {
        let mut begin = |cx: &mut Context<'_>| {
            let begun = processor_time();
            while processor_time() < begun + MAX_LOCKED / 4 {}
            items.push(cx.begin_item(Operation::Get).is_ok());
        };
        (0..10).for_each(|_| begin(cx));
        cx.forbid_repetition().unwrap();
        (0..10).for_each(|_| begin(cx));
        Outcome::Commit
    };
    Context::atomically(&services, &john, V2_1, busy).unwrap();
    assert_eq!(items[..12], [true; 12]);
    assert!(!items[19]);
}

#[test]
fn reads_the_time_of_the_request_from_the_clock_of_the_services() {
    let (mut services, john) = (services(), john());
    services.clock = crate::clock::Clock::manual();
    let before = Context::new(&services, &john, V2_1).now;
    services.clock.advance(std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(Context::new(&services, &john, V2_1).now, DateTime(before.0 + 60));
}
