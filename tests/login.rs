//! Login and Logout (KMIP 2.1 §6.1.30, §6.1.31) over TLS, including tickets of one user that another user sends.

use std::sync::Arc;
use std::time::Duration;

use kmip_server::internals::auth::Authenticator;
use kmip_server::internals::clock::Clock;
use kmip_server::internals::dispatch::{Dispatcher, Respond};
use kmip_server::internals::engine::Services;
use kmip_server::internals::policy::{Policies, PolicyStore};
use kmip_server::internals::store::Memory;
use kmip_server::kmip::RequestHeader;
use kmip_server::kmip::enums::{Operation, ResultReason, TicketType};
use kmip_server::kmip::structures::{Authentication, Credential, Ticket, TicketCredential, UsageLimits};
use kmip_server::ttlv::{DateTime, Field, Interval, Tag, V1_4, V2_0, V2_1, Writer};

use crate::corpus::{header, message_of, message_under, peer};
use crate::dialogue::{Answer, Caller, Live, answers};
use crate::harness::Pki;

fn callers() -> (Live, Caller, Caller) {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let john = live.caller(&pki, &pki.ca.client("John Doe"));
    let jane = live.caller(&pki, &pki.ca.client("Jane Doe"));
    (live, john, jane)
}

pub(crate) fn login(caller: &mut Caller, payload: impl Fn(&mut Writer)) -> Ticket {
    caller.ask(V2_1, Operation::Login, payload).all(Tag::Ticket).remove(0)
}

pub(crate) fn logout(caller: &mut Caller, ticket: &Ticket) -> Answer {
    caller.ask(V2_1, Operation::Logout, |writer| ticket.write(Tag::Ticket, writer))
}

/// Sends a request that needs no permission, with a ticket.
pub(crate) fn show(caller: &mut Caller, ticket: &Ticket) -> Answer {
    caller.send(V2_1, &ping(ticket)).remove(0)
}

pub(crate) fn ping(ticket: &Ticket) -> Vec<u8> {
    let credentials = vec![Credential::Ticket(TicketCredential { ticket: ticket.clone() })];
    let authentication = Some(Authentication { credentials });
    let header = RequestHeader { authentication, ..header(V2_1, None) };
    message_under(V2_1, header, &[(Operation::Ping, |_: &mut Writer| ())])
}

#[test]
fn ticket_is_valid_for_its_user_until_logout() {
    let (_live, mut john, mut jane) = callers();
    let ticket = login(&mut john, |_| ());
    assert_eq!(ticket.ticket_type, TicketType::Login);
    assert_ne!(login(&mut john, |_| ()).ticket_value, ticket.ticket_value);
    for _ in 0..5 {
        show(&mut john, &ticket).done();
    }
    assert_eq!(show(&mut jane, &ticket).refused(), ResultReason::InvalidTicket);
    assert_eq!(logout(&mut jane, &ticket).refused(), ResultReason::InvalidTicket);
    logout(&mut john, &ticket).done();
    assert_eq!(show(&mut john, &ticket).refused(), ResultReason::InvalidTicket);
    assert_eq!(logout(&mut john, &ticket).refused(), ResultReason::InvalidTicket);
    john.ask(V2_1, Operation::Ping, |_| ()).done();
}

#[test]
fn refuses_ticket_that_the_server_did_not_issue() {
    let (_live, mut john, _) = callers();
    let mut ticket = login(&mut john, |_| ());
    ticket.ticket_value[0] ^= 1;
    assert_eq!(show(&mut john, &ticket).refused(), ResultReason::InvalidTicket);
    ticket.ticket_value.clear();
    assert_eq!(show(&mut john, &ticket).refused(), ResultReason::InvalidTicket);
    assert_eq!(logout(&mut john, &ticket).refused(), ResultReason::InvalidTicket);
}

#[test]
fn ticket_has_the_requested_lifetime_and_number_of_requests() {
    let (_live, mut john, _) = callers();
    let counted = login(&mut john, |writer| {
        Interval(0).write(Tag::LeaseTime, writer);
        2.write(Tag::RequestCount, writer);
    });
    show(&mut john, &counted).done();
    show(&mut john, &counted).done();
    assert_eq!(show(&mut john, &counted).refused(), ResultReason::UsageLimitExceeded);
    let end = DateTime(Clock::system().now().0 + 3_600);
    let dated = login(&mut john, |writer| end.write(Tag::LeaseTime, writer));
    show(&mut john, &dated).done();
}

#[test]
fn ticket_ends_with_its_lease_time() {
    let mut services = Services::new(Arc::new(Memory::new()), PolicyStore::fixed(Policies::builtin()));
    services.clock = Clock::manual();
    let clock = services.clock.clone();
    let dispatcher = Dispatcher::new(services, Authenticator::new(true, Vec::new()));
    let send = |request: &[u8]| answers(V2_1, &dispatcher.respond(request, peer()).message).remove(0);
    for lease in [1, 3_600] {
        let lease_time = |writer: &mut Writer| Interval(lease).write(Tag::LeaseTime, writer);
        let ticket =
            send(&message_of(V2_1, None, &[(Operation::Login, lease_time)])).all(Tag::Ticket).remove(0);
        clock.advance(Duration::from_millis(u64::from(lease) * 1_000 - 1)).unwrap();
        send(&ping(&ticket)).done();
        clock.advance(Duration::from_millis(1)).unwrap();
        assert_eq!(send(&ping(&ticket)).refused(), ResultReason::InvalidTicket);
    }
}

#[test]
fn refuses_invalid_ticket_limits() {
    let (_live, mut john, _) = callers();
    let mut refused = |payload: &dyn Fn(&mut Writer)| john.ask(V2_1, Operation::Login, payload).refused();
    assert_eq!(refused(&|writer| DateTime(1).write(Tag::LeaseTime, writer)), ResultReason::InvalidField);
    assert_eq!(refused(&|writer| 0.write(Tag::RequestCount, writer)), ResultReason::InvalidField);
    assert_eq!(refused(&|writer| (-1).write(Tag::RequestCount, writer)), ResultReason::InvalidField);
    let limits = UsageLimits {
        usage_limits_total: 10,
        usage_limits_count: None,
        usage_limits_unit: kmip_server::kmip::enums::UsageLimitsUnit::Object,
    };
    assert_eq!(refused(&|writer| limits.write(Tag::UsageLimits, writer)), ResultReason::FeatureNotSupported);
    john.ask(V2_0, Operation::Login, |_| ()).done();
    assert_eq!(john.ask(V1_4, Operation::Login, |_| ()).refused(), ResultReason::OperationNotSupported);
}
