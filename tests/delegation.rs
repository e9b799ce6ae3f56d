//! Delegated Login (KMIP 2.1 §6.1.12) over TLS: the rights of a client that acts with the ticket of another user.

use kmip_server::kmip::RequestHeader;
use kmip_server::kmip::enums::{
    BatchErrorContinuationOption, ObjectType, Operation, ResultReason, UsageLimitsUnit,
};
use kmip_server::kmip::structures::{
    Authentication, Credential, ObjectGroups, Objects, Operations, Right, Rights, Ticket, TicketCredential,
    UsageLimits,
};
use kmip_server::ttlv::{Field, Interval, Tag, V1_4, V2_0, V2_1, Writer};

use crate::corpus::{algorithm, attribute, header, id, length, message_under, template, usage};
use crate::dialogue::{Answer, Caller, Live};
use crate::harness::Pki;

fn callers() -> (Live, Caller, Caller) {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let john = live.caller(&pki, &pki.ca.client("John Doe"));
    let jane = live.caller(&pki, &pki.ca.client("Jane Doe"));
    (live, john, jane)
}

fn right(operations: &[Operation]) -> Right {
    Right {
        usage_limits: None,
        operations: Some(Operations { operations: operations.to_vec() }),
        objects: None,
        object_groups: None,
    }
}

fn to_object(operations: &[Operation], object: &str) -> Right {
    Right { objects: Some(Objects { objects: vec![object.to_owned().into()] }), ..right(operations) }
}

fn in_group(operations: &[Operation], group: &str) -> Right {
    Right { object_groups: Some(ObjectGroups { groups: vec![group.to_owned()] }), ..right(operations) }
}

fn delegate(caller: &mut Caller, rights: &[Right]) -> Ticket {
    let rights = Rights { rights: rights.to_vec() };
    let answer = caller.ask(V2_1, Operation::DelegatedLogin, |writer| rights.write(Tag::Rights, writer));
    answer.all(Tag::Ticket).remove(0)
}

fn showing(tickets: &[&Ticket]) -> RequestHeader {
    let credential = |ticket: &&Ticket| Credential::Ticket(TicketCredential { ticket: (*ticket).clone() });
    let credentials = tickets.iter().map(credential).collect();
    RequestHeader { authentication: Some(Authentication { credentials }), ..header(V2_1, None) }
}

/// Sends one operation with a ticket.
fn with(caller: &mut Caller, ticket: &Ticket, operation: Operation, payload: impl Fn(&mut Writer)) -> Answer {
    caller.send(V2_1, &message_under(V2_1, showing(&[ticket]), &[(operation, payload)])).remove(0)
}

fn create(group: Option<&str>) -> impl Fn(&mut Writer) {
    let group = group.map(|group| attribute(Tag::ObjectGroup, &group.to_owned()));
    let given: Vec<_> = [algorithm(), length(256), usage(0xC)].into_iter().chain(group).collect();
    move |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &given, writer);
    }
}

/// An operation with the function that writes its payload.
type Item<'a> = (Operation, &'a dyn Fn(&mut Writer));

fn of(object: &str) -> impl Fn(&mut Writer) {
    move |writer| id(object, writer)
}

#[test]
fn ticket_grants_another_client_its_rights_on_an_object() {
    let (_live, mut john, mut jane) = callers();
    let lent = john.ask(V2_1, Operation::Create, create(None)).id();
    let other = john.ask(V2_1, Operation::Create, create(None)).id();
    let ticket = delegate(
        &mut john,
        &[to_object(&[Operation::Get], &lent), to_object(&[Operation::Activate], &other)],
    );
    assert_eq!(jane.ask(V2_1, Operation::Get, of(&lent)).refused(), ResultReason::PermissionDenied);
    assert_eq!(with(&mut jane, &ticket, Operation::Get, of(&lent)).id(), lent);
    with(&mut jane, &ticket, Operation::Activate, of(&other)).done();
    for (operation, object) in [
        (Operation::Get, &other),
        (Operation::Activate, &lent),
        (Operation::Destroy, &lent),
        (Operation::GetAttributes, &lent),
    ] {
        let refused = with(&mut jane, &ticket, operation, of(object)).refused();
        assert_eq!(refused, ResultReason::PermissionDenied, "{operation} of {object}");
    }
    let ping = with(&mut jane, &ticket, Operation::Ping, |_| ()).refused();
    assert_eq!(ping, ResultReason::PermissionDenied);
    // Each batch item is checked, and the ID Placeholder gives no access to another object.
    let continued = RequestHeader {
        batch_error_continuation_option: Some(BatchErrorContinuationOption::Continue),
        ..showing(&[&ticket])
    };
    let items: [Item<'_>; 3] =
        [(Operation::Activate, &of(&other)), (Operation::Get, &|_| ()), (Operation::Get, &of(&lent))];
    let answers = jane.send(V2_1, &message_under(V2_1, continued, &items));
    let outcomes: Vec<_> = answers.iter().map(|answer| answer.reason).collect();
    assert_eq!(outcomes[1..], [Some(ResultReason::ObjectNotFound), None]);

    // The ticket applies only to requests that contain it, and its user can end it: Jane's own requests are hers.
    assert_eq!(jane.ask(V2_1, Operation::Get, of(&lent)).refused(), ResultReason::PermissionDenied);
    assert_eq!(
        with(&mut john, &ticket, Operation::Get, of(&other)).refused(),
        ResultReason::PermissionDenied
    );
    let end = |writer: &mut Writer| ticket.write(Tag::Ticket, writer);
    assert_eq!(jane.ask(V2_1, Operation::Logout, end).refused(), ResultReason::InvalidTicket);
    john.ask(V2_1, Operation::Logout, end).done();
    let refused = with(&mut jane, &ticket, Operation::Get, of(&lent)).refused();
    assert_eq!(refused, ResultReason::InvalidTicket);
}

#[test]
fn object_created_with_a_ticket_belongs_to_its_user_and_the_groups_of_the_right() {
    let (_live, mut john, mut jane) = callers();
    let ticket = delegate(
        &mut john,
        &[in_group(&[Operation::Create, Operation::Get], "lent"), right(&[Operation::Get])],
    );
    let made = with(&mut jane, &ticket, Operation::Create, create(Some("lent"))).id();
    john.ask(V2_1, Operation::Get, of(&made)).done();
    assert_eq!(jane.ask(V2_1, Operation::Get, of(&made)).refused(), ResultReason::PermissionDenied);
    for group in [None, Some("other")] {
        let refused = with(&mut jane, &ticket, Operation::Create, create(group)).refused();
        assert_eq!(refused, ResultReason::PermissionDenied, "{group:?}");
    }
    // A search cannot be limited to the named objects.
    for (rights, found) in [
        (vec![right(&[Operation::Locate])], Ok(vec![made.clone()])),
        (vec![in_group(&[Operation::Locate], "lent")], Err(ResultReason::PermissionDenied)),
        (
            vec![to_object(&[Operation::Locate], &made), right(&[Operation::Get])],
            Err(ResultReason::PermissionDenied),
        ),
    ] {
        let ticket = delegate(&mut john, &rights);
        let answer = with(&mut jane, &ticket, Operation::Locate, |_| ());
        assert_eq!(answer.reason.map_or_else(|| Ok(answer.ids()), Err), found, "{rights:?}");
    }
}

#[test]
fn ticket_grants_no_further_tickets_and_two_users_are_refused() {
    let (_live, mut john, mut jane) = callers();
    let all = Right { operations: None, ..right(&[]) };
    let ticket = delegate(&mut john, std::slice::from_ref(&all));
    with(&mut jane, &ticket, Operation::Ping, |_| ()).done();
    let rights = Rights { rights: vec![all.clone()] };
    let further =
        with(&mut jane, &ticket, Operation::DelegatedLogin, |writer| rights.write(Tag::Rights, writer));
    assert_eq!(further.refused(), ResultReason::PermissionDenied);
    let further = with(&mut jane, &ticket, Operation::Login, |_| ());
    assert_eq!(further.refused(), ResultReason::PermissionDenied);

    let own: Ticket = jane.ask(V2_1, Operation::Login, |_| ()).all(Tag::Ticket).remove(0);
    let hers = delegate(&mut jane, &[all]);
    let mut show = |tickets: &[&Ticket]| {
        let ping: &dyn Fn(&mut Writer) = &|_| ();
        jane.send(V2_1, &message_under(V2_1, showing(tickets), &[(Operation::Ping, ping)])).remove(0)
    };
    show(&[&own, &ticket]).done();
    assert_eq!(show(&[&ticket, &hers]).refused(), ResultReason::InvalidTicket);
}

#[test]
fn ticket_has_the_requested_limits() {
    let (_live, mut john, mut jane) = callers();
    let ping = Rights { rights: vec![right(&[Operation::Ping])] };
    let once: Ticket = john
        .ask(V2_1, Operation::DelegatedLogin, |writer| {
            Interval(60).write(Tag::LeaseTime, writer);
            1.write(Tag::RequestCount, writer);
            ping.write(Tag::Rights, writer);
        })
        .all(Tag::Ticket)
        .remove(0);
    with(&mut jane, &once, Operation::Ping, |_| ()).done();
    let again = with(&mut jane, &once, Operation::Ping, |_| ()).refused();
    assert_eq!(again, ResultReason::UsageLimitExceeded);

    let mut refused = |rights: Vec<Right>| {
        let rights = Rights { rights };
        let ask = |writer: &mut Writer| rights.write(Tag::Rights, writer);
        john.ask(V2_1, Operation::DelegatedLogin, ask).refused()
    };
    assert_eq!(refused(vec![]), ResultReason::InvalidField);
    let long = || to_object(&[], &"9".repeat(1_000));
    assert_eq!(refused((0..20).map(|_| long()).collect()), ResultReason::InvalidField);
    assert_eq!(refused(vec![to_object(&[], &"9".repeat(1_025))]), ResultReason::InvalidMessage);
    let limits = UsageLimits {
        usage_limits_total: 10,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Object,
    };
    let limited = Right { usage_limits: Some(limits), ..right(&[Operation::Get]) };
    assert_eq!(refused(vec![limited]), ResultReason::FeatureNotSupported);
    assert_eq!(john.ask(V2_1, Operation::DelegatedLogin, |_| ()).refused(), ResultReason::InvalidMessage);
    john.ask(V2_0, Operation::DelegatedLogin, |writer| ping.write(Tag::Rights, writer)).done();
    let old = john.ask(V1_4, Operation::DelegatedLogin, |_| ()).refused();
    assert_eq!(old, ResultReason::OperationNotSupported);
}
