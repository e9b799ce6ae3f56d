//! Asynchronous operations over TLS: pending responses, Poll, Cancel, access and limits.

use kmip_server::kmip::attributes::AttributeList;
use kmip_server::kmip::enums::{
    AsynchronousIndicator, BatchErrorContinuationOption, CancellationResult, CryptographicAlgorithm,
    ObjectType, Operation, ProcessingStage, ResultReason, ResultStatus,
};
use kmip_server::kmip::{Asynchronous, RequestHeader};
use kmip_server::ttlv::{Field, Item, Reader, Tag, V1_0, V1_2, V1_4, V2_0, V2_1, Value, Version, Writer};

use crate::corpus::{self, algorithm, attribute, header, length, message_under, named, template, usage};
use crate::dialogue::{Answer, Caller, Live};
use crate::harness::{Pki, within};

pub(crate) type Payload<'a> = &'a dyn Fn(&mut Writer);

pub(crate) fn ask(
    caller: &mut Caller,
    version: Version,
    indicator: AsynchronousIndicator,
    items: &[(Operation, Payload<'_>)],
) -> Vec<Answer> {
    let header = RequestHeader {
        asynchronous_indicator: Some(Asynchronous(indicator)),
        ..header(version, Some(BatchErrorContinuationOption::Stop))
    };
    let items: Vec<_> = items.iter().map(|(operation, payload)| (*operation, *payload)).collect();
    caller.send(version, &message_under(version, header, &items))
}

pub(crate) fn about(
    caller: &mut Caller,
    version: Version,
    operation: Operation,
    correlation: &[u8],
) -> Answer {
    caller.ask(version, operation, |writer| {
        correlation.to_vec().write(Tag::AsynchronousCorrelationValue, writer);
    })
}

/// Polls until the operation is complete.
pub(crate) fn end(caller: &mut Caller, version: Version, correlation: &[u8]) -> Answer {
    within(|| {
        let answer = about(caller, version, Operation::Poll, correlation);
        (answer.status != ResultStatus::OperationPending).then_some(answer)
    })
}

pub(crate) fn pending(answers: &[Answer]) -> Vec<Vec<u8>> {
    answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, ResultStatus::OperationPending, "{answer:?}");
            assert!(answer.payload.is_empty());
            answer.correlation.clone().unwrap()
        })
        .collect()
}

pub(crate) fn create(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[named("later"), algorithm(), length(128), usage(0xC)], writer);
}

pub(crate) fn create_pair(writer: &mut Writer) {
    let common = [attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa), length(1024)];
    template(Tag::CommonAttributes, &common, writer);
    template(Tag::PrivateKeyAttributes, &[usage(0x1)], writer);
    template(Tag::PublicKeyAttributes, &[usage(0x2)], writer);
}

fn locate(writer: &mut Writer) {
    AttributeList(vec![named("later")]).write(Tag::Attributes, writer);
}

#[test]
fn returns_pending_for_a_long_operation_and_its_result_to_poll() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = john.ask(V1_2, Operation::Create, create).id();
    for version in [V1_0, V1_4, V2_0, V2_1] {
        let optional = AsynchronousIndicator::Optional;
        let jobs = pending(&ask(&mut john, version, optional, &[(Operation::Locate, &locate)]));
        let answer = end(&mut john, version, &jobs[0]);
        assert_eq!(answer.id(), key);
        assert_eq!(answer.operation, Some(Operation::Locate));
        // Poll returns the result once.
        let reason = if version < V2_0 {
            ResultReason::ItemNotFound
        } else {
            ResultReason::InvalidAsynchronousCorrelationValue
        };
        assert_eq!(about(&mut john, version, Operation::Poll, &jobs[0]).refused(), reason);
        // Fast operations are not asynchronous.
        let at_once = ask(&mut john, version, optional, &[(Operation::Create, &create)]);
        let made = at_once[0].id();
        john.ask(version, Operation::Destroy, |writer| corpus::id(&made, writer)).done();
    }
}

#[test]
fn clients_of_2_x_can_require_asynchronous_processing_except_of_poll_and_cancel() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mandatory = AsynchronousIndicator::Mandatory;
    let jobs = pending(&ask(&mut john, V2_1, mandatory, &[(Operation::Create, &create)]));
    assert_eq!(end(&mut john, V2_1, &jobs[0]).all::<ObjectType>(Tag::ObjectType), [ObjectType::SymmetricKey]);
    let poll = |writer: &mut Writer| vec![7u8; 16].write(Tag::AsynchronousCorrelationValue, writer);
    let refused = ask(&mut john, V2_1, mandatory, &[(Operation::Poll, &poll)]);
    assert_eq!(refused[0].refused(), ResultReason::InvalidMessage);
    let prohibited = ask(&mut john, V2_1, AsynchronousIndicator::Prohibited, &[(Operation::Locate, &locate)]);
    prohibited[0].done();
    // Poll returns a failure with its Result Reason.
    let gone = |writer: &mut Writer| corpus::id("999", writer);
    let jobs = pending(&ask(&mut john, V2_1, mandatory, &[(Operation::Activate, &gone)]));
    let failed = end(&mut john, V2_1, &jobs[0]);
    let at_once = john.ask(V2_1, Operation::Activate, gone).refused();
    assert_eq!((failed.refused(), failed.operation), (at_once, Some(Operation::Activate)));
}

#[test]
fn an_asynchronous_batch_preserves_order_and_id_placeholder_and_stops_at_a_failure() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let nothing = |_: &mut Writer| ();
    let gone = |writer: &mut Writer| corpus::id("999", writer);
    let items: [(Operation, Payload<'_>); 4] = [
        (Operation::CreateKeyPair, &create_pair),
        (Operation::Activate, &nothing),
        (Operation::Activate, &gone),
        (Operation::Create, &create),
    ];
    let jobs = pending(&ask(&mut john, V1_4, AsynchronousIndicator::Optional, &items));
    let pair = end(&mut john, V1_4, &jobs[0]);
    let activated = end(&mut john, V1_4, &jobs[1]).id();
    let made: Vec<String> = pair
        .all::<kmip_server::kmip::structures::UniqueIdentifier>(Tag::PrivateKeyUniqueIdentifier)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(made, [activated]);
    assert_eq!(end(&mut john, V1_4, &jobs[2]).refused(), ResultReason::ItemNotFound);
    assert_eq!(end(&mut john, V1_4, &jobs[3]).refused(), ResultReason::GeneralFailure);
    assert!(john.ask(V1_4, Operation::Locate, locate).ids().is_empty());
}

#[test]
fn read_only_operations_can_be_canceled_until_poll_returns_the_result() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for version in [V1_0, V2_1] {
        let jobs = pending(&ask(
            &mut john,
            version,
            AsynchronousIndicator::Optional,
            &[(Operation::Locate, &locate)],
        ));
        let canceled = about(&mut john, version, Operation::Cancel, &jobs[0]);
        assert_eq!(
            canceled.all::<CancellationResult>(Tag::CancellationResult),
            [CancellationResult::Canceled]
        );
        assert_eq!(canceled.all::<Vec<u8>>(Tag::AsynchronousCorrelationValue), [jobs[0].clone()]);
        let polled = about(&mut john, version, Operation::Poll, &jobs[0]).refused();
        assert_eq!(polled, ResultReason::OperationCanceledByRequester);
    }
    let jobs =
        pending(&ask(&mut john, V2_1, AsynchronousIndicator::Mandatory, &[(Operation::Create, &create)]));
    // Cancel of a Create reports truthfully whether the key exists.
    let result = about(&mut john, V2_1, Operation::Cancel, &jobs[0]);
    let result = result.all::<CancellationResult>(Tag::CancellationResult)[0];
    match result {
        CancellationResult::Canceled => {
            assert!(john.ask(V2_1, Operation::Locate, locate).ids().is_empty());
        }
        CancellationResult::Completed | CancellationResult::UnableToCancel => {
            end(&mut john, V2_1, &jobs[0]).done();
        }
        other => panic!("{other}"),
    }
    let unknown = about(&mut john, V1_4, Operation::Cancel, &[7; 16]);
    assert_eq!(unknown.all::<CancellationResult>(Tag::CancellationResult), [CancellationResult::Unavailable]);
    let unknown = about(&mut john, V2_1, Operation::Cancel, &[7; 16]).refused();
    assert_eq!(unknown, ResultReason::InvalidAsynchronousCorrelationValue);
}

#[test]
fn only_the_requesting_user_can_poll_from_any_connection() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let jobs =
        pending(&ask(&mut john, V2_1, AsynchronousIndicator::Mandatory, &[(Operation::Create, &create)]));
    for operation in [Operation::Poll, Operation::Cancel, Operation::Process] {
        let refused = about(&mut jane, V2_1, operation, &jobs[0]).refused();
        assert_eq!(refused, ResultReason::InvalidAsynchronousCorrelationValue);
    }
    let list = |caller: &mut Caller| {
        let answer = caller.ask(V2_1, Operation::QueryAsynchronousRequests, |_| ());
        answer.all::<Listed>(Tag::AsynchronousRequest)
    };
    assert!(list(&mut jane).is_empty());
    let listed = list(&mut john);
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].correlation, listed[0].operation), (&jobs[0], Operation::Create));
    about(&mut john, V2_1, Operation::Process, &jobs[0]).done();
    let twice = about(&mut john, V2_1, Operation::Process, &jobs[0]).refused();
    assert_eq!(twice, ResultReason::DuplicateProcessRequest);
    let mut again = server.caller(&pki, &pki.client);
    about(&mut again, V2_1, Operation::Poll, &jobs[0]).done();
    assert!(list(&mut john).is_empty());
}

#[test]
fn a_user_with_too_many_pending_operations_is_refused_or_served_synchronously() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mandatory = AsynchronousIndicator::Mandatory;
    let most = kmip_server::internals::engine::services::jobs::MAX_PER_USER;
    for _ in 0..most {
        pending(&ask(&mut john, V2_1, mandatory, &[(Operation::Locate, &locate)]));
    }
    let refused = ask(&mut john, V2_1, mandatory, &[(Operation::Locate, &locate)]);
    assert_eq!(refused[0].refused(), ResultReason::ServerLimitExceeded);
    ask(&mut john, V2_1, AsynchronousIndicator::Optional, &[(Operation::Locate, &locate)])[0].done();
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    pending(&ask(&mut jane, V2_1, mandatory, &[(Operation::Locate, &locate)]));
}

#[test]
fn completed_asynchronous_operations_are_durable_when_the_server_stops() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = pki.folder.path("objects");
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    let jobs =
        pending(&ask(&mut john, V2_1, AsynchronousIndicator::Mandatory, &[(Operation::Create, &create)]));
    let key = end(&mut john, V2_1, &jobs[0]).id();
    drop(john);
    drop(server);
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    assert_eq!(john.ask(V2_1, Operation::Locate, locate).ids(), [key]);
    // Correlation values do not survive a restart, because their results are only in memory.
    let gone = about(&mut john, V2_1, Operation::Poll, &jobs[0]).refused();
    assert_eq!(gone, ResultReason::InvalidAsynchronousCorrelationValue);
}

/// One Asynchronous Request of a response.
pub(crate) struct Listed {
    pub(crate) correlation: Vec<u8>,
    pub(crate) operation: Operation,
}

impl Value for Listed {
    fn decode(item: &Item<'_>) -> Result<Self, kmip_server::ttlv::Error> {
        let mut rows: Reader<'_> = item.structure()?;
        let correlation = Field::read(Tag::AsynchronousCorrelationValue, &mut rows)?;
        let operation = Field::read(Tag::Operation, &mut rows)?;
        rows.require(Tag::SubmissionDate)?;
        ProcessingStage::read(Tag::ProcessingStage, &mut rows)?;
        rows.finish()?;
        Ok(Self { correlation, operation })
    }

    fn encode(&self, _: Tag, _: &mut Writer) {}
}
