//! The rows of `compatibility::ROWS`: a probe for each sends requests under both settings, and both outcomes are
//! pinned. A row without a probe fails a test, and so does a probe whose outcomes do not differ.

mod attributes;
mod cryptography;
mod messages;
mod objects;
mod searches;

use std::sync::Arc;

use kmip_server::internals::auth::Authenticator;
use kmip_server::internals::clock::Clock;
use kmip_server::internals::compatibility::{Compatibility, Difference, ROWS};
use kmip_server::internals::dispatch::{Dispatcher, Respond};
use kmip_server::internals::engine::Services;
use kmip_server::internals::policy::{Policies, PolicyStore};
use kmip_server::internals::store::Memory;
use kmip_server::kmip::enums::{Operation, ResultStatus};
use kmip_server::ttlv::{Version, Writer};

use crate::corpus::{message_of, peer};
use crate::dialogue::{Answer, answers};

/// Requests whose outcome depends on one difference.
struct Probe {
    difference: Difference,
    /// A version in which the behaviours differ.
    version: Version,
    /// Sends the requests and returns what the client notices.
    ask: fn(&Side, Version) -> String,
    pykmip: &'static str,
    standard: &'static str,
}

/// The probes of each group of rows.
const PROBES: &[&[Probe]] =
    &[attributes::PROBES, cryptography::PROBES, messages::PROBES, objects::PROBES, searches::PROBES];

/// A server with one of the settings.
struct Side(Dispatcher);

impl Side {
    fn new(compatibility: Compatibility) -> Self {
        let mut services = Services::new(Arc::new(Memory::new()), PolicyStore::fixed(Policies::builtin()));
        services.compatibility = compatibility;
        services.clock = Clock::manual();
        Self(Dispatcher::new(services, Authenticator::new(true, Vec::new())))
    }

    /// Sends a request message and returns the response.
    fn send(&self, request: &[u8]) -> Vec<u8> {
        self.0.respond(request, peer()).message
    }

    /// Requests one operation.
    fn ask(&self, version: Version, operation: Operation, payload: impl Fn(&mut Writer)) -> Answer {
        let response = self.send(&message_of(version, None, &[(operation, payload)]));
        answers(version, &response).remove(0)
    }
}

/// Returns "Success" or the Result Reason.
fn outcome(answer: &Answer) -> String {
    match answer.status {
        ResultStatus::Success => "Success".to_owned(),
        _ => answer.refused().to_string(),
    }
}

#[test]
fn every_difference_has_a_probe() {
    for row in ROWS {
        let probes = PROBES.iter().copied().flatten();
        assert!(probes.clone().any(|probe| probe.difference == row.difference), "{} has no probe", row.name);
    }
}

#[test]
fn the_setting_decides_each_difference() {
    for probe in PROBES.iter().copied().flatten() {
        let ask = |compatibility| (probe.ask)(&Side::new(compatibility), probe.version);
        assert_ne!(probe.pykmip, probe.standard, "{:?}", probe.difference);
        assert_eq!(ask(Compatibility::PyKmip), probe.pykmip, "{:?} as PyKMIP", probe.difference);
        assert_eq!(ask(Compatibility::Standard), probe.standard, "{:?} as the standard", probe.difference);
    }
}
