//! From the bytes of a request to the bytes of its response (KMIP 1.4 §6 to §8, 2.1 §8 and §9).
//!
//! [`Dispatcher::respond`] cannot fail: whatever is wrong is said in the protocol's own terms. It is the seam for
//! tests and fuzzers: no socket is in it. How the items of a batch follow each other is in `batch`.

mod asynchronous;
mod batch;
mod correlation;
mod counters;
pub mod delivery;
pub mod outgoing;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::auth::{Authenticator, Delegate, Identity, Peer};
use crate::engine::Services;
use crate::engine::services::jobs::JobOutcome;
use crate::kmip::enums::{BatchErrorContinuationOption, ResultReason};
use crate::kmip::structures::{Credential, ProtocolVersion, Ticket};
use crate::kmip::{Error, RequestHeader, RequestItem, ResponseHeader};
use crate::ttlv::{self, DateTime, Field, Reader, Tag, V1_0, Value, Version, Writer, dump};

use asynchronous::{Mode, Pool};
use batch::{Item, ItemResult};
use counters::Counters;
pub use counters::DispatcherStatus;
use delivery::DeliveryQueues;

/// How old a request's time stamp may be, in seconds. What is as old is refused; so is any from the future.
const MAX_AGE: i64 = 60;

/// The largest response in bytes, unless the client wants a smaller one: 64 Ki identifiers and more fit into it.
pub const MAX_RESPONSE: usize = 16 << 20;

/// How many items a batch may have. Each holds memory, and a batch with Undo the store as well, until all are done.
pub const MAX_BATCH_ITEMS: usize = 10_000;

/// Room for a response, in bytes: most fit, and their buffer does not grow by steps.
const RESPONSE_ROOM: usize = 1024;

/// How much of a name that a client made up is logged, in characters.
const MAX_LOGGED: usize = 128;

/// The logger of this layer.
const LOG: &str = "kmip.server.engine";

/// The logger of the audit, apart from the others so that its lines can be sent elsewhere.
const AUDIT: &str = "kmip.server.audit";

/// What a request is answered with.
#[derive(Debug)]
pub struct Reply {
    /// The response message.
    pub message: Vec<u8>,
    /// Whether the connection ends after it.
    pub close: bool,
}

/// Answers the requests of all connections.
pub trait Respond: Send + Sync + 'static {
    /// The reply to one whole request message; it cannot fail.
    fn respond(&self, request: &[u8], peer: &Peer) -> Reply;

    /// What it has done so far, for whoever watches the server.
    fn status(&self) -> DispatcherStatus {
        DispatcherStatus::default()
    }
}

/// The dispatcher: authenticates requests and executes their batches on the services of the engine.
pub struct Dispatcher {
    // Declared first, so that its threads, which use the services, end before the services are dropped.
    pool: Pool,
    services: Arc<Services>,
    deliveries: Arc<DeliveryQueues>,
    authenticator: Authenticator,
    counters: Arc<Counters>,
}

impl Dispatcher {
    /// Creates a dispatcher without listeners.
    pub fn new(services: Services, authenticator: Authenticator) -> Self {
        Self::with_listeners(services, authenticator, [])
    }

    /// Creates a dispatcher that queues notifications for the listeners of these users.
    pub fn with_listeners(
        mut services: Services,
        authenticator: Authenticator,
        users: impl IntoIterator<Item = String>,
    ) -> Self {
        let deliveries = Arc::new(DeliveryQueues::of(users));
        services.notifications = Arc::clone(&deliveries) as _;
        let (pool, counters) = (Pool::default(), Arc::new(Counters::new()));
        Self { pool, services: Arc::new(services), deliveries, authenticator, counters }
    }

    fn now(&self) -> DateTime {
        self.services.clock.now()
    }

    fn answer(&self, request: &[u8], peer: &Peer) -> Reply {
        if let Err(error) = self.authenticator.admit(peer) {
            log::warn!(target: peer.log_target(), "The client certificate is refused: {error}");
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return close(refusal(
                V1_0,
                self.now(),
                &Error::new(
                    ResultReason::AuthenticationNotSuccessful,
                    "The client certificate is not accepted. See the server log.",
                ),
            ));
        }
        let (version, header, items) = match parse(request) {
            Ok(parsed) => parsed,
            Err(error) => {
                log::warn!(target: peer.log_target(), "A request cannot be parsed: {error}");
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                return keep(refusal(
                    V1_0,
                    self.now(),
                    &Error::new(
                        ResultReason::InvalidMessage,
                        format!("The request cannot be parsed: {error}."),
                    ),
                ));
            }
        };
        let identity = match self.authenticator.identify(peer, header.authentication.as_ref()) {
            Ok(identity) => identity,
            Err(error) => {
                log::warn!(target: peer.log_target(), "Authentication failed: {error}");
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                return close(refusal(
                    version,
                    self.now(),
                    &Error::new(
                        ResultReason::AuthenticationNotSuccessful,
                        "The client could not be authenticated. See the server log.",
                    ),
                ));
            }
        };
        let identity = match self.on_behalf_of(identity, &header, peer) {
            Ok(identity) => identity,
            Err(error) => {
                log::warn!(target: peer.log_target(), "A request is refused: {error}");
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                return keep(refusal(version, self.now(), &error));
            }
        };
        keep(self.process(version, &header, items, &identity, peer))
    }

    /// In whose name the request is made: that of its client, or of somebody who gave it a ticket for that.
    ///
    /// # Errors
    /// Authentication Not Successful, where a ticket is not good or who gave it is not let in any more.
    fn on_behalf_of(
        &self,
        identity: Identity,
        header: &RequestHeader,
        peer: &Peer,
    ) -> Result<Identity, Error> {
        let Some(delegation) = self.services.tickets.admit(
            &identity.principal,
            tickets(header),
            self.services.clock.instant(),
        )?
        else {
            return Ok(identity);
        };
        let delegate = Delegate { user: identity.principal.user, rights: delegation.rights };
        self.authenticator.on_behalf_of(delegation.principal, delegate, peer).map_err(|error| {
            log::warn!(target: peer.log_target(), "Who gave a ticket is refused: {error}");
            Error::new(
                ResultReason::AuthenticationNotSuccessful,
                "The ticket in the request is not good, or no longer.",
            )
        })
    }

    fn process(
        &self,
        version: Version,
        header: &RequestHeader,
        items: Vec<Item>,
        identity: &Identity,
        peer: &Peer,
    ) -> Vec<u8> {
        if let Err(error) = check(header, &items, self.now()) {
            log::info!(target: peer.log_target(), "A request is refused: {error}");
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return refusal(version, self.now(), &error);
        }
        let correlation = correlation::value(version, header);
        if let Some(name) = header.client_correlation_value.as_ref().or(correlation.as_ref()) {
            let name: String = name.chars().take(MAX_LOGGED).collect();
            log::info!(target: peer.log_target(), "The next lines are about the request {name:?}");
        }
        let operations: Vec<_> = items.iter().map(Item::identification).collect();
        let option = header.batch_error_continuation_option.unwrap_or(batch::DEFAULT_CONTINUATION);
        let results = asynchronous::mode(header, &items).and_then(|mode| match mode {
            Mode::Synchronous => Ok(batch::process(&self.services, identity, version, items, option)),
            _ => self.later(mode, version, items, option, identity, peer),
        });
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                log::info!(target: peer.log_target(), "A request is refused: {error}");
                return refusal(version, self.now(), &error);
            }
        };
        for result in &results {
            result.log(identity, peer);
            // What is pending counts when it is done.
            if !result.is_pending() {
                self.counters.count(result.operation(), result.has_failed());
            }
        }
        let response = message(version, self.now(), correlation.clone(), results.len(), |writer| {
            results.into_iter().for_each(|result| result.write(writer));
        });
        let limit =
            header.maximum_response_size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
        let limit = limit.map_or(MAX_RESPONSE, |limit| limit.min(MAX_RESPONSE));
        if response.len() <= limit {
            return response;
        }
        let error = Error::new(
            ResultReason::ResponseTooLarge,
            format!("The response has {} bytes; the limit is {limit}.", response.len()),
        );
        message(version, self.now(), correlation, operations.len(), |writer| {
            for (operation, id) in &operations {
                batch::write_failure(Some(*operation), id.as_deref(), &error, writer);
            }
        })
    }
}

impl Dispatcher {
    /// Lets the items be done by the pool, and tells that they are pending. Where there is no room for them and the
    /// client does not insist, they are done at once.
    fn later(
        &self,
        mode: Mode,
        version: Version,
        mut items: Vec<Item>,
        option: BatchErrorContinuationOption,
        identity: &Identity,
        peer: &Peer,
    ) -> Result<Vec<ItemResult>, Error> {
        let operations: Vec<_> = items.iter().map(Item::operation).collect();
        let correlations = match self.services.jobs.submit(
            &identity.principal,
            &operations,
            self.now(),
            self.services.clock.instant(),
        ) {
            Ok(correlations) => correlations,
            Err(_) if mode == Mode::Optional => {
                return Ok(batch::process(&self.services, identity, version, items, option));
            }
            Err(error) => return Err(error),
        };
        let mut pending = Vec::with_capacity(items.len());
        for (item, correlation) in items.iter_mut().zip(&correlations) {
            item.asynchronous(correlation.clone());
            let id = item.id().map(<[u8]>::to_vec);
            pending.push(ItemResult::pending(item.operation(), id, correlation.clone()));
        }
        let (services, identity, peer) = (Arc::clone(&self.services), identity.clone(), peer.clone());
        let counters = Arc::clone(&self.counters);
        let of_task = correlations.clone();
        let task = move || {
            // A bug costs one request, not the server.
            let process = || batch::process(&services, &identity, version, items, option);
            let results = catch_unwind(AssertUnwindSafe(process)).unwrap_or_default();
            let mut results = results.into_iter();
            for correlation in &of_task {
                let outcome = match results.next() {
                    Some(result) => {
                        result.log(&identity, &peer);
                        counters.count(result.operation(), result.has_failed());
                        result.kept(version)
                    }
                    None => JobOutcome::Failed(Error::new(
                        ResultReason::GeneralFailure,
                        "The operation was not done, because one before it in its batch failed.",
                    )),
                };
                services.jobs.finish(correlation, outcome, services.clock.instant());
            }
        };
        if self.pool.spawn(Box::new(task)).is_err() {
            self.services.jobs.withdraw(&correlations);
            return Err(Error::new(ResultReason::ServerLimitExceeded, "The server can start no thread."));
        }
        Ok(pending)
    }
}

impl Respond for Dispatcher {
    fn respond(&self, request: &[u8], peer: &Peer) -> Reply {
        log::debug!(target: peer.log_target(), "Request:\n{}", Tree(request));
        // A bug costs one request, not the server.
        let answered = catch_unwind(AssertUnwindSafe(|| self.answer(request, peer)));
        let reply = answered.unwrap_or_else(|_| {
            self.counters.bugs.fetch_add(1, Ordering::Relaxed);
            log::error!(
                target: LOG,
                "A request of {} bytes met a bug of the server; it was:\n{}",
                request.len(),
                Tree(request)
            );
            keep(refusal(
                V1_0,
                self.now(),
                &Error::new(
                    ResultReason::GeneralFailure,
                    "The server failed to process the request. See the server log.",
                ),
            ))
        });
        log::debug!(target: peer.log_target(), "Response:\n{}", Tree(&reply.message));
        reply
    }

    fn status(&self) -> DispatcherStatus {
        DispatcherStatus {
            operations: self.counters.operations(),
            refused: self.counters.refused.load(Ordering::Relaxed),
            bugs: self.counters.bugs.load(Ordering::Relaxed),
            store: self.services.store_status(),
            endpoints: self.deliveries.status(),
        }
    }
}

/// A message as a tree, made only where the log wants it.
struct Tree<'a>(&'a [u8]);

impl std::fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&dump(self.0, V1_0))
    }
}

fn keep(message: Vec<u8>) -> Reply {
    Reply { message, close: false }
}

fn close(message: Vec<u8>) -> Reply {
    Reply { message, close: true }
}

/// Reads a request: its version, its header, and its batch items with their payloads. A batch item that cannot be
/// read becomes one that fails, if its Operation and its Unique Batch Item ID can be read.
fn parse(request: &[u8]) -> Result<(Version, RequestHeader, Vec<Item>), ttlv::Error> {
    let mut outer = Reader::new(request, V1_0);
    let mut rows = outer.require(Tag::RequestMessage)?.structure()?;
    outer.finish()?;
    let header = rows.require(Tag::RequestHeader)?;
    let spoken: ProtocolVersion = Field::read(Tag::ProtocolVersion, &mut header.structure()?)?;
    let version = Version::from(spoken);
    if !version.is_supported() {
        return Err(ttlv::Error::Invalid {
            tag: Tag::ProtocolVersion,
            why: "this server speaks KMIP 1.0, 1.1, 1.2, 1.3, 1.4, 2.0 and 2.1",
        });
    }
    let header = RequestHeader::decode(&header.in_version(version))?;
    rows.set_version(version);
    if usize::try_from(header.batch_count).is_ok_and(|count| count > MAX_BATCH_ITEMS) {
        return Err(ttlv::Error::Invalid {
            tag: Tag::BatchCount,
            why: "a batch may have 10000 items at the most",
        });
    }
    let mut items = Vec::new();
    for _ in 0..header.batch_count {
        let frame = rows;
        let item = RequestItem::read(&mut rows).and_then(Item::prepare);
        items.push(item.or_else(|error| Item::unreadable(frame, error))?);
    }
    rows.finish()?;
    Ok((version, header, items))
}

/// The tickets that a header shows (2.1 §9.4).
fn tickets(header: &RequestHeader) -> impl Iterator<Item = &Ticket> {
    let credentials = header.authentication.iter().flat_map(|authentication| &authentication.credentials);
    credentials.filter_map(|credential| match credential {
        Credential::Ticket(shown) => Some(&shown.ticket),
        _ => None,
    })
}

/// What a header has to hold for the batch to run at all.
fn check(header: &RequestHeader, items: &[Item], now: DateTime) -> Result<(), Error> {
    let invalid = |message: &'static str| Err(Error::new(ResultReason::InvalidMessage, Cow::from(message)));
    if let Some(then) = header.time_stamp {
        let age = now.0.saturating_sub(then.0);
        if age < 0 {
            return invalid("The request's time stamp lies in the future.");
        }
        if age >= MAX_AGE {
            return invalid("The request's time stamp is too old.");
        }
    }
    if items.len() > 1 && items.iter().any(|item| item.id().is_none()) {
        return invalid("Each item of a batch of several needs a Unique Batch Item ID.");
    }
    Ok(())
}

/// A response that is one failed item without operation: what a request gets that was not looked at further.
fn refusal(version: Version, now: DateTime, error: &Error) -> Vec<u8> {
    message(version, now, None, 1, |writer| batch::write_failure(None, None, error, writer))
}

/// Writes a response of the version of the request.
fn message(
    version: Version,
    now: DateTime,
    server_correlation_value: Option<String>,
    count: usize,
    items: impl FnOnce(&mut Writer),
) -> Vec<u8> {
    let header = ResponseHeader {
        protocol_version: version.into(),
        time_stamp: now,
        nonce: None,
        server_hashed_password: None,
        attestation_types: Vec::new(),
        // It is the client's own in the requests of servers only (1.4 §6.18, 2.1 §9.9).
        client_correlation_value: None,
        server_correlation_value,
        batch_count: i32::try_from(count).unwrap_or(i32::MAX),
    };
    let mut writer = Writer::reusing(Vec::with_capacity(RESPONSE_ROOM), version);
    writer.structure(Tag::ResponseMessage, |writer| {
        header.encode(Tag::ResponseHeader, writer);
        items(writer);
    });
    writer.into_bytes()
}
