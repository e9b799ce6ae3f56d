//! The dispatcher: converts the bytes of a request message to the bytes of its response message (KMIP 1.4 §6 to §8,
//! 2.1 §8 and §9).
//!
//! [`Dispatcher::respond`] reports every failure in a response message. It uses no socket, so tests and fuzzers
//! call it directly. `batch` executes the items of a batch.

mod asynchronous;
pub mod audit;
mod batch;
mod correlation;
pub mod delivery;
mod header;
mod inject;
pub mod outgoing;
mod status;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::auth::{Authenticator, Delegate, Identity, Peer};
use crate::compatibility::{Compatibility, Difference};
use crate::encoding;
use crate::engine::Services;
use crate::engine::services::jobs::JobOutcome;
use crate::engine::services::tickets::INVALID as INVALID_TICKET;
use crate::excerpt::Excerpt;
use crate::faults::{AnswerFault, Faults};
use crate::kmip::enums::{BatchErrorContinuationOption, ResultReason};
use crate::kmip::structures::ProtocolVersion;
use crate::kmip::{Error, RequestHeader, RequestItem, ResponseHeader};
use crate::memory_quota::Reservation;
use crate::observe::{Messages, Observers};
use crate::store;
use crate::ttlv::{self, DateTime, Field, Reader, Tag, V1_0, Value, Version, Writer};

use asynchronous::{Mode, Pool};
use audit::{Audit, AuditOrigin};
use batch::{Item, ItemResult};
use delivery::DeliveryQueues;
use header::{check, tickets};
pub use status::{DispatcherStatus, JobStatus};

/// The maximum size of a response in bytes, enough for 64 Ki identifiers. A client can reduce it by Maximum
/// Response Size.
pub const MAX_RESPONSE: usize = 16 << 20;

/// The maximum number of items in a batch. Each uses memory until the batch ends.
pub const MAX_BATCH_ITEMS: usize = 10_000;

/// The initial capacity of a response buffer in bytes: most responses fit, so that the buffer does not grow.
const RESPONSE_CAPACITY: usize = 1024;

/// The logger of this layer.
const LOG: &str = "kmip.server.engine";

/// The reply to a request message.
#[derive(Debug)]
pub struct Reply {
    /// The response message.
    pub message: Vec<u8>,
    /// Whether the server closes the connection after it.
    pub close: bool,
    /// The fault with which the server sends it.
    pub fault: Option<AnswerFault>,
}

/// Answers the requests of all connections.
pub trait Respond: Send + Sync + 'static {
    /// Returns the reply to a request message; failures are part of the reply.
    fn respond(&self, request: &[u8], peer: &Peer) -> Reply;

    /// Returns the reply as [`Respond::respond`] does, and adds the memory that the reply needs to `memory`, which
    /// contains the bytes of the request.
    fn respond_within(&self, request: &[u8], peer: &Peer, _memory: &mut Reservation) -> Reply {
        self.respond(request, peer)
    }

    /// Checks that the store answers.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn ping_store(&self) -> Result<(), store::Error> {
        Ok(())
    }

    /// Returns the state of the store and of the services, for monitoring.
    fn status(&self) -> DispatcherStatus {
        DispatcherStatus::default()
    }

    /// Returns the services with the objects and policies, for the management interface.
    fn services(&self) -> Option<&Services> {
        None
    }

    /// Completes the files of the store. The server calls it when it stops.
    fn close(&self) {}
}

/// The dispatcher: authenticates requests and executes their batches on the services of the engine.
pub struct Dispatcher {
    // Declared first, so that its threads, which use the services, end before the services are dropped.
    pool: Pool,
    services: Arc<Services>,
    deliveries: Arc<DeliveryQueues>,
    authenticator: Authenticator,
    observers: Observers,
    audit: Arc<Audit>,
    faults: Option<Arc<Faults>>,
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
        let (pool, observers, audit) = (Pool::default(), Observers::default(), Arc::default());
        Self { pool, services: Arc::new(services), deliveries, authenticator, observers, audit, faults: None }
    }

    /// Writes the audit lines to `sink` instead of the `log` facade.
    #[must_use]
    pub fn with_audit(self, sink: Arc<dyn audit::Sink>) -> Self {
        Self { audit: Arc::new(Audit::to(sink)), ..self }
    }

    /// Reports what happens to `observers`.
    #[must_use]
    pub fn with_observers(self, observers: Observers) -> Self {
        Self { observers, ..self }
    }

    fn now(&self) -> DateTime {
        self.services.clock.now()
    }

    fn answer(
        &self,
        request: &[u8],
        peer: &Peer,
        memory: &mut Reservation,
        user: Option<&mut Option<String>>,
    ) -> Reply {
        // The decoded items, and what the operations compute with them.
        if !memory.add(2 * request.len()) {
            let error = batch::out_of_memory();
            log::warn!(target: peer.log_target(), "A request is refused: {error}");
            return keep_connection(self.refusal(V1_0, &error));
        }
        if let Err(error) = self.authenticator.admit(peer) {
            log::warn!(target: peer.log_target(), "The client is refused: {}", peer.explain(&error));
            return close_connection(self.refusal(
                V1_0,
                &Error::new(
                    ResultReason::AuthenticationNotSuccessful,
                    "The client certificate is not accepted. See the server log.",
                ),
            ));
        }
        let is_armed = self.faults.as_ref().is_some_and(|faults| faults.is_armed());
        let (version, header, mut items) =
            match parse(request, self.services.compatibility, is_armed || self.audit.is_required()) {
                Ok(parsed) => parsed,
                Err(error) => {
                    log::warn!(target: peer.log_target(), "A request cannot be parsed: {error}");
                    return keep_connection(self.refusal(
                        V1_0,
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
                log::warn!(target: peer.log_target(), "The client is refused: {}", peer.explain(&error));
                return close_connection(self.refusal(
                    version,
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
                return keep_connection(self.ticket_refusal(version, &items, &error));
            }
        };
        if let Some(user) = user {
            *user = Some(identity.principal.user.clone());
        }
        if is_armed {
            return self.answer_with_faults((version, &header, &mut items), &identity, peer, memory);
        }
        keep_connection(self.process(version, (&header, None), items, &identity, peer, memory))
    }

    /// Returns the identity with whose rights the request executes: the client, or the user who delegated rights to
    /// the client by a ticket.
    ///
    /// # Errors
    /// Returns Invalid Ticket if a ticket is invalid or its delegating user is no longer accepted, and Usage Limit
    /// Exceeded if a ticket is used up.
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
            log::warn!(target: peer.log_target(), "The user who delegated rights by a ticket is refused: {error}");
            Error::new(ResultReason::InvalidTicket, INVALID_TICKET)
        })
    }

    /// Refuses a request because of its tickets. An invalid ticket is answered for each item, a used-up ticket for the
    /// message, as the test cases of 2.0 do (TC-LOGIN-2-20, TC-LOGIN-3-20).
    fn ticket_refusal(&self, version: Version, items: &[Item<'_>], error: &Error) -> Vec<u8> {
        if error.reason != ResultReason::InvalidTicket {
            return self.refusal(version, error);
        }
        self.observers.report(|observer| observer.refused(error.reason_in(version)));
        let operations: Vec<_> = items.iter().map(Item::identification).collect();
        self.failures(version, None, &operations, error)
    }

    /// Returns the answer to a request that is refused as a whole.
    fn refusal(&self, version: Version, error: &Error) -> Vec<u8> {
        self.observers.report(|observer| observer.refused(error.reason_in(version)));
        refusal(version, self.now(), error)
    }

    /// Returns a response in which each item has failed for the same reason.
    fn failures(
        &self,
        version: Version,
        correlation: Option<String>,
        operations: &[(u32, Option<Vec<u8>>)],
        error: &Error,
    ) -> Vec<u8> {
        message(version, self.now(), correlation, operations.len(), |writer| {
            for (operation, id) in operations {
                batch::write_failure(Some(*operation), id.as_deref(), error, writer);
            }
        })
    }

    fn process(
        &self,
        version: Version,
        (header, due): (&RequestHeader, Option<Instant>),
        items: Vec<Item<'_>>,
        identity: &Identity,
        peer: &Peer,
        memory: &mut Reservation,
    ) -> Vec<u8> {
        if let Err(error) = check(header, &items, self.now()) {
            log::info!(target: peer.log_target(), "A request is refused: {error}");
            return self.refusal(version, &error);
        }
        let correlation = correlation::value(version, header);
        if let Some(name) = header.client_correlation_value.as_ref().or(correlation.as_ref()) {
            log::info!(
                target: peer.log_target(),
                "The next lines belong to the request with the correlation value {:?}",
                Excerpt(name)
            );
        }
        let own = self.audit.is_required().then(correlation::next);
        let name = header.client_correlation_value.as_deref().or(correlation.as_deref()).or(own.as_deref());
        let requester = AuditOrigin { identity, peer, correlation: name, version };
        let operations: Vec<_> = items.iter().map(Item::identification).collect();
        let intents = || items.iter().map(Item::intent).collect();
        if let Err(error) = self.audit.begin(requester, intents) {
            return self.failures(version, correlation, &operations, &error);
        }
        let option = header.batch_error_continuation_option.unwrap_or(batch::DEFAULT_CONTINUATION);
        let mode = asynchronous::mode(header, &items).map(|mode| mode.postponed(due, &items));
        let results = mode.and_then(|mode| match mode {
            Mode::Synchronous => Ok(batch::process(&self.services, identity, version, items, option, memory)),
            _ => self.submit(mode, version, items, option, requester, memory),
        });
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                log::info!(target: peer.log_target(), "A request is refused: {error}");
                return self.refusal(version, &error);
            }
        };
        self.audit.end(batch::audit(requester, &operations, &results, self.audit.is_required()));
        for result in &results {
            // The thread that executes a pending item counts it.
            if !result.is_pending() {
                self.observers.report(|observer| observer.executed(&result.execution(version)));
            }
        }
        let is_single = operations.len() == 1;
        let response = message(version, self.now(), correlation.clone(), results.len(), |writer| {
            results.into_iter().for_each(|result| result.write(writer));
        });
        // The results of other batches were added as they grew.
        if is_single && !memory.add(response.len()) {
            drop(response);
            return self.failures(version, correlation, &operations, &batch::out_of_memory());
        }
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
        self.failures(version, correlation, &operations, &error)
    }
}

impl Dispatcher {
    /// Submits the batch to the pool and returns its items as pending. If too many operations wait for a Poll, a
    /// batch of [`Mode::Optional`] executes synchronously.
    ///
    /// # Errors
    /// Returns Server Limit Exceeded if too many operations wait for a Poll, or if the server cannot start a thread.
    fn submit(
        &self,
        mode: Mode,
        version: Version,
        items: Vec<Item<'_>>,
        option: BatchErrorContinuationOption,
        AuditOrigin { identity, peer, correlation, .. }: AuditOrigin<'_>,
        memory: &mut Reservation,
    ) -> Result<Vec<ItemResult>, Error> {
        let requested: Vec<_> = items.iter().map(Item::identification).collect();
        let operations: Vec<_> = items.iter().map(Item::operation).collect();
        let correlations = match self.services.jobs.submit(
            &identity.principal,
            &operations,
            self.now(),
            self.services.clock.instant(),
        ) {
            Ok(correlations) => correlations,
            Err(_) if mode == Mode::Optional => {
                return Ok(batch::process(&self.services, identity, version, items, option, memory));
            }
            Err(error) => return Err(error),
        };
        let Some(mut memory) = memory.duplicate() else {
            self.services.jobs.withdraw(&correlations, self.services.clock.instant());
            return Err(batch::out_of_memory());
        };
        let mut items: Vec<_> = items.into_iter().map(Item::decoded).collect();
        let mut pending = Vec::with_capacity(items.len());
        for (item, correlation) in items.iter_mut().zip(&correlations) {
            item.asynchronous(correlation.clone());
            let id = item.id().map(<[u8]>::to_vec);
            pending.push(ItemResult::pending(item.operation(), id, correlation.clone()));
        }
        let (services, identity, peer) = (Arc::clone(&self.services), identity.clone(), peer.clone());
        let (observers, user) = (self.observers.clone(), identity.sender().to_owned());
        let (audit, correlation) = (Arc::clone(&self.audit), correlation.map(str::to_owned));
        let task_correlations = correlations.clone();
        let waiter = self.pool.waiter();
        let task = move || {
            if let Mode::Postponed(due) = mode {
                waiter.wait(&services.clock, due);
            }
            let correlation = correlation.as_deref();
            let requester = AuditOrigin { identity: &identity, peer: &peer, correlation, version };
            // The lines of intent were written with the request.
            let ready = audit.begin(requester, Vec::new);
            // A panic fails one batch, not the server.
            let process = || batch::process(&services, &identity, version, items, option, &mut memory);
            let results = ready.map(|()| catch_unwind(AssertUnwindSafe(process)).unwrap_or_default());
            let mut results = match results {
                Ok(results) => results.into_iter(),
                Err(error) => {
                    let outcome = JobOutcome::Failed(error);
                    task_correlations
                        .iter()
                        .for_each(|it| services.jobs.finish(it, &outcome, services.clock.instant()));
                    return;
                }
            };
            audit.end(batch::audit(requester, &requested, results.as_slice(), audit.is_required()));
            for correlation in &task_correlations {
                let outcome = match results.next() {
                    Some(result) => {
                        observers.report(|observer| observer.executed(&result.execution(version)));
                        result.into_job_outcome(version)
                    }
                    None => JobOutcome::Failed(Error::new(
                        ResultReason::GeneralFailure,
                        "The operation did not execute, because an earlier item of its batch failed.",
                    )),
                };
                services.jobs.finish(correlation, &outcome, services.clock.instant());
            }
        };
        if self.pool.spawn(&user, Box::new(task)).is_err() {
            self.services.jobs.withdraw(&correlations, self.services.clock.instant());
            return Err(Error::new(
                ResultReason::ServerLimitExceeded,
                "The server cannot start a thread; send the request again later.",
            ));
        }
        Ok(pending)
    }
}

impl Respond for Dispatcher {
    fn respond(&self, request: &[u8], peer: &Peer) -> Reply {
        self.respond_within(request, peer, &mut Reservation::unlimited())
    }

    fn respond_within(&self, request: &[u8], peer: &Peer, memory: &mut Reservation) -> Reply {
        log::debug!(target: peer.log_target(), "Request:\n{}", Tree(request));
        // A panic fails one request, not the server.
        let mut watched = self.observers.want_messages().then(|| (Instant::now(), None));
        let user = watched.as_mut().map(|(_, user)| user);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.answer(request, peer, memory, user)));
        let reply = outcome.unwrap_or_else(|_| {
            self.observers.report(|observer| observer.panicked());
            log::error!(
                target: LOG,
                "The server panicked while it processed a request of {} bytes; report the bug with this request:\n{}",
                request.len(),
                Tree(request)
            );
            keep_connection(refusal(
                V1_0,
                self.now(),
                &Error::new(
                    ResultReason::GeneralFailure,
                    "The server failed to process the request. See the server log.",
                ),
            ))
        });
        log::debug!(target: peer.log_target(), "Response:\n{}", Tree(&reply.message));
        if let Some((begun, user)) = watched {
            let Reply { message: response, fault, .. } = &reply;
            let messages = Messages { peer, user: user.as_deref(), request, response, begun, fault: *fault };
            self.observers.report(|observer| observer.exchanged(&messages));
        }
        reply
    }

    fn services(&self) -> Option<&Services> {
        Some(&self.services)
    }

    fn close(&self) {
        self.services.close_store();
        self.audit.flush();
    }

    fn ping_store(&self) -> Result<(), store::Error> {
        self.services.ping_store()
    }

    fn status(&self) -> DispatcherStatus {
        DispatcherStatus {
            store: self.services.store_status(),
            jobs: self.pool.status(),
            policies: self.services.policy_count(),
            endpoints: self.deliveries.status(),
        }
    }
}

/// A message that is formatted as a tree only if the log level includes it.
struct Tree<'a>(&'a [u8]);

impl std::fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        encoding::Tree::of(self.0).fmt(f)
    }
}

fn keep_connection(message: Vec<u8>) -> Reply {
    Reply { message, close: false, fault: None }
}

fn close_connection(message: Vec<u8>) -> Reply {
    Reply { message, close: true, fault: None }
}

/// Reads a request: its version, its header, and its batch items without their payloads. A batch item that cannot be
/// read becomes one that fails, if its Operation and its Unique Batch Item ID can be read. `intended` states whether the
/// audit has lines of intent.
fn parse(
    request: &[u8],
    compatibility: Compatibility,
    intended: bool,
) -> Result<(Version, RequestHeader, Vec<Item<'_>>), ttlv::Error> {
    let mut outer = Reader::new(request, V1_0);
    let mut rows = outer.require(Tag::RequestMessage)?.structure()?;
    outer.finish()?;
    let header = rows.require(Tag::RequestHeader)?;
    let header_version: ProtocolVersion = Field::read(Tag::ProtocolVersion, &mut header.structure()?)?;
    let version = Version::from(header_version);
    if !version.is_supported() {
        return Err(ttlv::Error::Invalid {
            tag: Tag::ProtocolVersion,
            why: "this server supports KMIP 1.0, 1.1, 1.2, 1.3, 1.4, 2.0 and 2.1",
        });
    }
    let header = RequestHeader::decode(&header.in_version(version))?;
    rows.set_version(version);
    if usize::try_from(header.batch_count).is_ok_and(|count| count > MAX_BATCH_ITEMS) {
        return Err(ttlv::Error::Invalid {
            tag: Tag::BatchCount,
            why: "a batch has at most 10000 items; split it",
        });
    }
    let mut items = Vec::new();
    for _ in 0..header.batch_count {
        let frame = rows;
        let item = RequestItem::read(&mut rows).and_then(|item| Item::prepare(item, intended));
        items.push(item.or_else(|error| Item::unreadable(frame, error))?);
    }
    if !compatibility.in_version(version.major, version.minor).has(Difference::TrailingItems) {
        rows.finish()?;
    }
    Ok((version, header, items))
}

/// Returns a response with one failed item without operation: the answer to a request that is refused as a whole.
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
        // Only the requests of servers contain it (1.4 §6.18, 2.1 §9.9).
        client_correlation_value: None,
        server_correlation_value,
        batch_count: i32::try_from(count).unwrap_or(i32::MAX),
    };
    let mut writer = Writer::reusing(Vec::with_capacity(RESPONSE_CAPACITY), version);
    writer.structure(Tag::ResponseMessage, |writer| {
        header.encode(Tag::ResponseHeader, writer);
        items(writer);
    });
    writer.into_bytes()
}
