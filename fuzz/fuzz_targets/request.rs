//! Whole requests to the dispatcher, on an in-memory store with the objects of the tests' corpus. The dispatcher
//! catches panics, but in a fuzz target a panic ends the process before.

#![no_main]

use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use kmip_server::internals::auth::{Authenticator, Certificate, Peer};
use kmip_server::internals::dispatch::{Dispatcher, MAX_RESPONSE, Respond};
use kmip_server::internals::engine::Services;
use kmip_server::internals::policy::{Policies, PolicyStore};
use kmip_server::internals::store::Memory;
use kmip_server::ttlv::{Reader, Tag, V1_0};
use libfuzzer_sys::fuzz_target;

/// The number of requests that share the objects. Requests also meet objects that earlier requests changed.
const SHARED: usize = 32;

/// The files that the tests wrote: the client's certificate, and the requests that create the objects.
struct Fixture {
    peer: Peer,
    requests: Vec<Vec<u8>>,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture");
        let certificate = std::fs::read(folder.join("peer.der")).expect("make fuzz writes the fixture");
        let certificate = Certificate::from_der(&certificate).expect("it is a certificate");
        let numbers = 1..;
        let requests = numbers.map_while(|number| std::fs::read(folder.join(format!("{number}.bin"))).ok());
        Fixture {
            peer: Peer::new(([127, 0, 0, 1], 5696).into(), 1, Some(certificate)),
            requests: requests.collect(),
        }
    })
}

fn dispatcher_on(store: Arc<Memory>) -> Dispatcher {
    let services = Services::new(store, PolicyStore::fixed(Policies::builtin()));
    Dispatcher::new(services, Authenticator::new(true, Vec::new()))
}

/// Returns a dispatcher on a copy of the objects. Copying them takes a thousandth of the time of registering them.
fn dispatcher() -> Dispatcher {
    static REGISTERED: OnceLock<Memory> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| {
        let memory = Arc::new(Memory::new());
        let dispatcher = dispatcher_on(Arc::clone(&memory));
        for request in &fixture().requests {
            dispatcher.respond(request, &fixture().peer);
        }
        Memory::clone(&memory)
    });
    dispatcher_on(Arc::new(registered.clone()))
}

thread_local! {
    static DISPATCHER: RefCell<(usize, Option<Dispatcher>)> = const { RefCell::new((0, None)) };
}

fuzz_target!(|bytes: &[u8]| {
    DISPATCHER.with_borrow_mut(|(count, shared)| {
        *count += 1;
        if *count % SHARED == 0 {
            *shared = None;
        }
        let reply = shared.get_or_insert_with(dispatcher).respond(bytes, &fixture().peer);
        assert!(reply.message.len() <= MAX_RESPONSE);
        let mut reader = Reader::new(&reply.message, V1_0);
        let message = reader.require(Tag::ResponseMessage).expect("a response is a message");
        reader.finish().expect("a response is one message");
        let mut rows = message.structure().expect("a message is a structure");
        rows.require(Tag::ResponseHeader).expect("a message has a header");
        rows.require(Tag::BatchItem).expect("a response has an item");
    });
});
