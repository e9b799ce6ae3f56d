//! What servers on one PostgreSQL database share besides objects: tickets, positions in groups, and asynchronous operations.

use std::collections::BTreeSet;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::kmip::enums::{
    AsynchronousIndicator, CancellationResult, Operation, ResultReason, ResultStatus,
};
use kmip_server::kmip::structures::UniqueIdentifier;
use kmip_server::ttlv::{Field, Tag, V1_4, V2_1};

use crate::asynchronous::{Listed, about, ask, create, create_pair, end, pending};
use crate::dialogue::{Caller, Live};
use crate::groups::{DEFAULT, group, join, locate};
use crate::harness::{Pki, Running};
use crate::login::{login, logout, show};
use crate::shared_database::{Servers, database, on};

#[test]
fn ticket_of_one_server_is_valid_at_the_others_until_logout_at_any() {
    let Some(servers) = Servers::start(2) else { return };
    let (mut one, mut other) = (servers.caller(0), servers.caller(1));
    let ticket = login(&mut one, |_| ());
    show(&mut other, &ticket).done();
    show(&mut one, &ticket).done();
    let jane = &servers.pki.ca.client("Jane Doe");
    let mut jane = servers.caller_as(1, jane);
    assert_eq!(show(&mut jane, &ticket).refused(), ResultReason::InvalidTicket);
    logout(&mut one, &ticket).done();
    assert_eq!(show(&mut other, &ticket).refused(), ResultReason::InvalidTicket);
    assert_eq!(logout(&mut other, &ticket).refused(), ResultReason::InvalidTicket);
}

#[test]
fn ticket_with_30_uses_allows_exactly_30_over_three_servers() {
    let Some(servers) = Servers::start(3) else { return };
    let ticket = login(&mut servers.caller(0), |writer| 30.write(Tag::RequestCount, writer));
    let (used, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for number in 0..9 {
            let (servers, ticket, used, refused) = (&servers, &ticket, &used, &refused);
            scope.spawn(move || {
                let mut caller = servers.caller(number);
                for _ in 0..5 {
                    let answer = show(&mut caller, ticket);
                    if !answer.is_done() {
                        assert_eq!(answer.refused(), ResultReason::UsageLimitExceeded);
                    }
                    let count = if answer.is_done() { used } else { refused };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((used.into_inner(), refused.into_inner()), (30, 15));
}

#[test]
fn lease_of_a_ticket_ends_at_all_servers_by_the_clock_of_the_database() {
    let Some(servers) = Servers::start(2) else { return };
    let (mut one, mut other) = (servers.caller(0), servers.caller(1));
    let ticket = login(&mut one, |writer| {
        kmip_server::ttlv::Interval(3600).write(Tag::LeaseTime, writer);
    });
    show(&mut other, &ticket).done();
    assert!(servers.database.execute("UPDATE entry SET expires = expires - INTERVAL '3599 seconds'"));
    thread::sleep(Duration::from_millis(1100));
    for caller in [&mut one, &mut other] {
        assert_eq!(show(caller, &ticket).refused(), ResultReason::InvalidTicket);
    }
}

#[test]
fn default_member_rotates_over_two_servers() {
    let Some(servers) = Servers::start(2) else { return };
    let mut callers = [servers.caller(0), servers.caller(1)];
    let members: BTreeSet<_> = (0..5).map(|number| join(&mut callers[number % 2], "round")).collect();
    let mut served = Vec::new();
    for turn in 0..10 {
        // The Locate at one server, and the Get at the same one or the other.
        let found = locate(&mut callers[turn % 2], V1_4, DEFAULT, &[group("round")]);
        let again = locate(&mut callers[(turn + 1) % 2], V1_4, DEFAULT, &[group("round")]);
        assert_eq!(found, again, "a Locate moves nothing on");
        callers[turn / 2 % 2].get(V1_4, &found[0]);
        served.extend(found);
    }
    let (first, second) = served.split_at(5);
    assert_eq!(first.iter().cloned().collect::<BTreeSet<_>>(), members, "each member once");
    assert_eq!(first, second);
}

fn list(caller: &mut Caller) -> Vec<Listed> {
    caller.ask(V2_1, Operation::QueryAsynchronousRequests, |_| ()).all(Tag::AsynchronousRequest)
}

/// Requests key pairs at a server and returns their Asynchronous Correlation Values.
fn submit(caller: &mut Caller, count: usize) -> Vec<Vec<u8>> {
    let submit =
        |_| ask(caller, V2_1, AsynchronousIndicator::Mandatory, &[(Operation::CreateKeyPair, &create_pair)]);
    (0..count).map(submit).flat_map(|answers| pending(&answers)).collect()
}

#[test]
fn operation_of_one_server_is_listed_and_polled_once_at_another() {
    let Some(servers) = Servers::start(2) else { return };
    let (mut one, mut other) = (servers.caller(0), servers.caller(1));
    let jobs = submit(&mut one, 1);
    let listed = list(&mut other);
    assert_eq!((&listed[0].correlation, listed[0].operation), (&jobs[0], Operation::CreateKeyPair));
    let mut jane = servers.caller_as(1, &servers.pki.ca.client("Jane Doe"));
    let unknown = ResultReason::InvalidAsynchronousCorrelationValue;
    assert_eq!(about(&mut jane, V2_1, Operation::Poll, &jobs[0]).refused(), unknown);
    about(&mut other, V2_1, Operation::Process, &jobs[0]).done();
    let twice = about(&mut one, V2_1, Operation::Process, &jobs[0]).refused();
    assert_eq!(twice, ResultReason::DuplicateProcessRequest);
    // After Process, Poll waits for the end.
    let pair = about(&mut other, V2_1, Operation::Poll, &jobs[0]);
    let private = pair.all::<UniqueIdentifier>(Tag::PrivateKeyUniqueIdentifier).remove(0).to_string();
    one.get(V1_4, &private);
    for caller in [&mut one, &mut other] {
        assert_eq!(about(caller, V2_1, Operation::Poll, &jobs[0]).refused(), unknown);
    }
    assert!(list(&mut one).is_empty());
    // A failure has its reason at the other server, too.
    let gone = |writer: &mut kmip_server::ttlv::Writer| crate::corpus::id("999", writer);
    let mandatory = AsynchronousIndicator::Mandatory;
    let jobs = pending(&ask(&mut one, V2_1, mandatory, &[(Operation::Activate, &gone)]));
    let failed = end(&mut other, V2_1, &jobs[0]);
    assert_eq!(
        (failed.refused(), failed.operation),
        (ResultReason::ObjectNotFound, Some(Operation::Activate))
    );
}

#[test]
fn cancel_at_one_server_reaches_an_operation_that_waits_at_another() {
    let Some(servers) = Servers::start(2) else { return };
    let (mut one, mut other) = (servers.caller(0), servers.caller(1));
    // A server executes four operations of a user at once.
    let jobs = submit(&mut one, 12);
    let (last, rest) = jobs.split_last().unwrap();
    let canceled = about(&mut other, V2_1, Operation::Cancel, last);
    let result = canceled.all::<CancellationResult>(Tag::CancellationResult);
    assert_eq!(result, [CancellationResult::Canceled]);
    for caller in [&mut one, &mut other] {
        let polled = about(caller, V2_1, Operation::Poll, last).refused();
        assert_eq!(polled, ResultReason::OperationCanceledByRequester);
    }
    for job in rest {
        end(&mut other, V2_1, job).done();
    }
    // A later operation of the user ends after the canceled one would have.
    let after =
        pending(&ask(&mut one, V2_1, AsynchronousIndicator::Mandatory, &[(Operation::Create, &create)]));
    end(&mut other, V2_1, &after[0]).done();
    assert_eq!(one.ask(V2_1, Operation::Locate, |_| ()).ids().len(), 2 * rest.len() + 1);
}

#[test]
fn operation_of_a_killed_server_fails_after_its_lease() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let survivor = Live::start(&on(&pki, &database.url()));
    let mut options = pki.options();
    *options.last_mut().unwrap() = database.url().display().to_string();
    let mut killed = Running::start(&options);
    let mut caller = Caller::new(pki.connect(killed.port, &pki.client));
    let jobs = submit(&mut caller, 24);
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    let mut john = survivor.caller(&pki, &pki.client);
    // The last one had not begun.
    let last = jobs.last().unwrap();
    let begun = Instant::now();
    assert_eq!(about(&mut john, V2_1, Operation::Poll, last).status, ResultStatus::OperationPending);
    assert!(begun.elapsed() > Duration::from_millis(900), "Poll waits for a second");
    assert!(database.execute("UPDATE entry SET lease = lease - INTERVAL '30 seconds'"));
    let failed = about(&mut john, V2_1, Operation::Poll, last);
    assert_eq!(failed.refused(), ResultReason::GeneralFailure);
    let message = failed.message.unwrap();
    assert!(message.starts_with("The server that executed the operation has ended"), "{message}");
    let again = about(&mut john, V2_1, Operation::Poll, last).refused();
    assert_eq!(again, ResultReason::InvalidAsynchronousCorrelationValue);
    // The others are not pending either: each has a result or a failure.
    for job in &jobs[..jobs.len() - 1] {
        assert_ne!(about(&mut john, V2_1, Operation::Poll, job).status, ResultStatus::OperationPending);
    }
    assert!(list(&mut john).is_empty());
}

#[test]
fn results_and_tickets_survive_the_server_that_made_them() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let config = on(&pki, &database.url());
    let first = Live::start(&config);
    let mut caller = first.caller(&pki, &pki.client);
    let ticket = login(&mut caller, |_| ());
    let jobs =
        pending(&ask(&mut caller, V2_1, AsynchronousIndicator::Mandatory, &[(Operation::Create, &create)]));
    let made = crate::harness::within(|| {
        let found = caller.ask(V1_4, Operation::Locate, |_| ()).ids();
        (!found.is_empty()).then_some(found)
    });
    drop(caller);
    drop(first);
    let second = Live::start(&config);
    let mut caller = second.caller(&pki, &pki.client);
    show(&mut caller, &ticket).done();
    assert_eq!(slice::from_ref(&end(&mut caller, V2_1, &jobs[0]).id()), made);
}
