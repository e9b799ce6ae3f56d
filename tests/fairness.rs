//! Work of one user that takes long does not delay the requests of another user.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use kmip_server::internals::cpu_permits::{Effort, processors, with_permit};
use kmip_server::internals::crypto::rsa;
use kmip_server::internals::dispatch::{Dispatcher, Respond};
use kmip_server::kmip::enums::{
    AsynchronousIndicator, BatchErrorContinuationOption, CryptographicAlgorithm, HashingAlgorithm,
    KeyFormatType, ObjectType, Operation, PaddingMethod, ResultStatus,
};
use kmip_server::kmip::structures::CryptographicParameters;
use kmip_server::kmip::{Asynchronous, Object, RequestHeader};
use kmip_server::ttlv::{Field, Tag, V1_4, Writer};

use crate::corpus::{
    self, algorithm, attribute, header, id, length, message_of, message_under, peer, template, usage,
};
use crate::dialogue::{Caller, answers, key};
use crate::harness::{Client, Credential, Pki, Running, within};

/// The maximum time in which a user receives the answer to a request that takes a second at most, in a debug build on a
/// machine that other processes use too. The other user's work takes minutes.
const TIMELY: Duration = Duration::from_secs(8);

/// A server in a process of its own, which ends without waiting for the work that the tests leave behind.
struct Shared {
    pki: Pki,
    server: Running,
    other: Credential,
}

impl Shared {
    fn new() -> Self {
        let pki = Pki::new();
        let settings = pki.settings("");
        let log = pki.folder.path("server.log");
        let server = Running::start(["-f".as_ref(), settings.as_os_str(), "-l".as_ref(), log.as_os_str()]);
        let other = pki.ca.client("Mallory");
        Self { pki, server, other }
    }

    /// Sends each request over a connection of its own, as the user who demands much, and reads no response.
    fn occupy(&self, requests: &[Vec<u8>]) -> Vec<Client> {
        let send = |request: &Vec<u8>| {
            let mut client = self.pki.connect(self.server.port, &self.other);
            client.send(request).unwrap();
            client
        };
        let clients = requests.iter().map(send).collect();
        std::thread::sleep(Duration::from_millis(200));
        clients
    }

    fn john(&self) -> Caller {
        Caller::new(self.pki.connect(self.server.port, &self.pki.client))
    }
}

fn pair(bits: i32) -> impl Fn(&mut Writer) {
    move |w| {
        let common = [attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa), length(bits)];
        template(Tag::CommonAttributes, &common, w);
        template(Tag::PrivateKeyAttributes, &[usage(0x1)], w);
        template(Tag::PublicKeyAttributes, &[usage(0x2)], w);
    }
}

fn create(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
}

/// Asserts that `job` returns in time.
fn in_time<T>(what: &str, job: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = job();
    assert!(begun.elapsed() < TIMELY, "{what} took {:?}", begun.elapsed());
    result
}

#[test]
fn long_key_generations_of_one_user_do_not_delay_the_key_pair_of_another() {
    let shared = Shared::new();
    let request = message_of(V1_4, None, &[(Operation::CreateKeyPair, pair(8192))]);
    let _busy = shared.occupy(&vec![request; 6]);
    let mut john = shared.john();
    in_time("Create Key Pair", || john.ask(V1_4, Operation::CreateKeyPair, pair(1024)).done().len());
}

#[test]
fn asynchronous_operations_of_one_user_do_not_delay_those_of_another() {
    let asynchronous = |bits| {
        let header = RequestHeader {
            asynchronous_indicator: Some(Asynchronous(AsynchronousIndicator::Optional)),
            ..header(V1_4, None)
        };
        message_under(V1_4, header, &[(Operation::CreateKeyPair, pair(bits))])
    };
    let shared = Shared::new();
    let mut mallory = Caller::new(shared.pki.connect(shared.server.port, &shared.other));
    for _ in 0..60 {
        assert_eq!(mallory.send(V1_4, &asynchronous(8192))[0].status, ResultStatus::OperationPending);
    }
    let mut john = shared.john();
    let job = john.send(V1_4, &asynchronous(1024)).remove(0).correlation.unwrap();
    in_time("an asynchronous operation", || {
        within(|| {
            let answer = john.ask(V1_4, Operation::Poll, |w| job.write(Tag::AsynchronousCorrelationValue, w));
            (answer.status != ResultStatus::OperationPending).then(|| answer.done().len())
        })
    });
}

#[test]
fn a_batch_with_undo_that_generates_keys_does_not_delay_other_users() {
    let shared = Shared::new();
    let mut john = shared.john();
    let key = john.ask(V1_4, Operation::Create, create).id();
    let pairs = [(Operation::CreateKeyPair, pair(8192)), (Operation::CreateKeyPair, pair(8192))];
    let _busy = shared.occupy(&[message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &pairs)]);
    // The first Get of an object changes it.
    in_time("Get", || john.ask(V1_4, Operation::Get, |w| id(&key, w)).done().len());
    in_time("Create", || john.ask(V1_4, Operation::Create, create).id());
    in_time("a batch with Undo", || {
        let creates = [(Operation::Create, create), (Operation::Create, create)];
        let request = message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &creates);
        let answers = john.send(V1_4, &request);
        answers.iter().for_each(|answer| drop(answer.id()));
    });
}

/// Registers a generated private key for signatures and decryption, and returns its identifier.
fn register(dispatcher: &Dispatcher, bits: u32) -> String {
    let pair = rsa::generate(bits).unwrap();
    let bits = i32::try_from(bits).unwrap();
    let private = pair.private_pkcs8.expose().to_vec();
    let key = Object::PrivateKey(key(KeyFormatType::Pkcs8, CryptographicAlgorithm::Rsa, bits, private));
    let register = |w: &mut Writer| {
        ObjectType::PrivateKey.write(Tag::ObjectType, w);
        template(Tag::Attributes, &[usage(0x1 | 0x8)], w);
        key.write(Tag::default(), w);
    };
    let response = dispatcher.respond(&message_of(V1_4, None, &[(Operation::Register, register)]), peer());
    let registered = answers(V1_4, &response.message).remove(0).id();
    let activate = message_of(V1_4, None, &[(Operation::Activate, |w: &mut Writer| id(&registered, w))]);
    assert_eq!(corpus::statuses(&dispatcher.respond(&activate, peer()).message), [ResultStatus::Success]);
    registered
}

/// Returns a request that uses a private key.
fn use_of(operation: Operation, key: &str, data: usize) -> Vec<u8> {
    let payload = |w: &mut Writer| {
        id(key, w);
        let parameters = CryptographicParameters {
            padding_method: Some(PaddingMethod::Pkcs1V1_5),
            hashing_algorithm: Some(HashingAlgorithm::Sha256),
            cryptographic_algorithm: Some(CryptographicAlgorithm::Rsa),
            ..CryptographicParameters::default()
        };
        parameters.write(Tag::CryptographicParameters, w);
        vec![7u8; data].write(Tag::Data, w);
    };
    message_of(V1_4, None, &[(operation, payload)])
}

/// Returns a request of random bytes.
fn random(length: i32) -> Vec<u8> {
    message_of(V1_4, None, &[(Operation::RngRetrieve, |w: &mut Writer| length.write(Tag::DataLength, w))])
}

#[test]
fn uses_of_long_private_keys_and_long_random_data_wait_for_a_permit_and_others_do_not() {
    let dispatcher = corpus::dispatcher();
    let [short, long] = [2048, 3072].map(|bits| register(&dispatcher, bits));
    let succeeds = |request: &[u8]| {
        let answer = dispatcher.respond(request, peer()).message;
        assert_eq!(corpus::statuses(&answer), [ResultStatus::Success], "{}", corpus::text(&answer));
    };
    std::thread::scope(|scope| {
        let (started, all_started) = mpsc::channel();
        let held: Vec<_> = (0..processors())
            .map(|_| {
                let (started, (release, until_released)) = (started.clone(), mpsc::channel::<()>());
                scope.spawn(move || {
                    with_permit("John Doe", Effort::Seconds, move || {
                        started.send(()).unwrap();
                        let _ = until_released.recv();
                    });
                });
                release
            })
            .collect();
        all_started.iter().take(processors()).for_each(drop);
        let heavy = [
            use_of(Operation::Sign, &long, 20),
            use_of(Operation::Decrypt, &long, 384),
            random((64 << 10) + 1),
        ];
        let waiting = heavy.map(|request| scope.spawn(move || succeeds(&request)));
        succeeds(&random(64 << 10));
        succeeds(&use_of(Operation::Sign, &short, 20));
        succeeds(&use_of(Operation::Decrypt, &short, 256));
        std::thread::sleep(Duration::from_millis(300));
        assert!(waiting.iter().all(|use_of| !use_of.is_finished()), "the user has all of its permits");
        drop(held);
    });
}
